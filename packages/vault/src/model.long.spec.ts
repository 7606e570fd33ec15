// Hundreds of thousands of lives: HOLDFAST_RUNS=200000 HOLDFAST_TESTS=long jest model.long. docs/testing.md tells what it showed.
import fc from 'fast-check';
import { lives, liveThrough } from './testing/model.ts';

const RUNS = Number(process.env['HOLDFAST_RUNS'] ?? 2000);
const MILLISECONDS = Number(process.env['HOLDFAST_MINUTES'] ?? 10) * 60_000;

describe('many lives of a vault', () => {
  it(
    'hold every point byte for byte',
    async () => {
      let lived = 0;
      const end = Date.now() + MILLISECONDS;
      const { failed, seed, counterexamplePath, errorInstance } = await fc.check(
        fc.asyncProperty(lives, async (life) => {
          await liveThrough(...life);
          lived += 1;
        }),
        { numRuns: RUNS, interruptAfterTimeLimit: MILLISECONDS, markInterruptAsFailure: false },
      );
      console.log(`${lived} lives, seed ${seed}${Date.now() > end ? ', until the time was over' : ''}`);
      expect({ failed, seed, counterexamplePath, errorInstance }).toMatchObject({ failed: false });
      expect(lived).toBeGreaterThan(0);
    },
    MILLISECONDS + 600_000,
  );
});
