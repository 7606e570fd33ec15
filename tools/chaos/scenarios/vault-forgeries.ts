import type { ForgeriesUsed, ForgeriesWanted } from '@holdfast/vault/conformance';
import { randomBelow } from '../../lab/random.ts';
import { shareOut } from '../lives/shared-out.ts';
import type { Action, Scenario } from '../scenario.ts';

/** Vaults of one event, of all threads together, and of a thread at a time. */
const VAULTS = 24;
const SHARE = 4;

/** Contents of vaults that are authentic and wrong, as a writer makes them who means harm or is: `packages/vault/src/testing/forgeries.ts`. */
export const scenario: Scenario = {
  name: 'vault-forgeries',
  about:
    'vaults whose objects say anything at all, sealed as if it were right: whoever reads, keeps, repairs, copies or writes refuses them by name',
  tools: [],
  setup: async ({ note }) => {
    const threads = shareOut<ForgeriesWanted, ForgeriesUsed>('forgeries-thread');
    let used = 0;
    let refused = 0;
    let judged = 0;
    const wrong: string[] = [];
    const use: Action = {
      weight: 1,
      run: async (random) => {
        const seeds = Array.from({ length: VAULTS / SHARE }, () => randomBelow(random, 2 ** 31));
        await threads.play(
          seeds.map((seed) => ({ seed, count: SHARE })),
          (answer) => {
            used += answer.vaults;
            refused += answer.refused;
            if (answer.wrong !== undefined) wrong.push(answer.wrong);
          },
        );
      },
    };
    return {
      steps: { use },
      faults: { 'use more': use },
      verify: async () => {
        note(`${used} vaults, of ${refused} something was refused`);
        const verdict = { points: used - judged, wrong: wrong.splice(0), lost: [], resyncs: [] };
        judged = used;
        return verdict;
      },
      dispose: () => threads.end(),
    };
  },
};
