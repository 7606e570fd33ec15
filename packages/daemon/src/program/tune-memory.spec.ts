import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

/** What collections of the whole heap are called. */
const MAJOR = 4;

/** Carries 4 GiB through fresh buffers of 1 MiB, few of them alive at a time; prints how often the whole heap was collected. */
const CARRY = `
  const heap = Array.from({ length: 100_000 }, (_, i) => ({ i, text: String(i) }));
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries()) if (detail.kind === ${MAJOR}) collections += 1;
  });
  observer.observe({ entryTypes: ['gc'] });
  const alive = [];
  for (let i = 0; i < 4096; i += 1) {
    alive.push(Buffer.allocUnsafeSlow(1 << 20));
    if (alive.length > 16) alive.shift();
    if (i % 16 === 0) await new Promise(setImmediate);
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  console.log(JSON.stringify({ collections, heap: heap.length }));
`;

const collections = async (before: string): Promise<number> => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '--eval',
    `import { PerformanceObserver } from 'node:perf_hooks'; ${before} ${CARRY}`,
  ]);
  return (JSON.parse(stdout) as { collections: number }).collections;
};

describe('memory', () => {
  it('is not collected whole again and again for buffers that pass through', async () => {
    const tuned = await collections(`import { tuneMemory } from ${JSON.stringify(path.join(__dirname, 'tune-memory.ts'))}; tuneMemory();`);
    expect(tuned).toBeLessThan(6);
    // The control: what it does unless told.
    expect(await collections('')).toBeGreaterThan(10);
  }, 60_000);
});
