import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

/** What collections of the whole heap are called. */
const MAJOR = 4;

/** Keeps the newest of many small things, as a server does with reports of its peers; prints how often the whole heap was collected. */
const REPLACE = `
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries()) if (detail.kind === ${MAJOR}) collections += 1;
  });
  observer.observe({ entryTypes: ['gc'] });
  const newest = [];
  for (let i = 0; i < 3_000_000; i += 1) {
    newest[(i * 7919) % 200_000] = { i, text: [i, i] };
    if (i % 20_000 === 0) await new Promise(setImmediate);
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  console.log(JSON.stringify({ collections, kept: newest.length }));
`;

const collections = async (before: string): Promise<number> => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '--max-semi-space-size=8',
    '--input-type=module',
    '--eval',
    `import { PerformanceObserver } from 'node:perf_hooks'; ${before} ${REPLACE}`,
  ]);
  return (JSON.parse(stdout) as { collections: number }).collections;
};

describe('a small heap', () => {
  it('is collected before it has grown to many times of what is in use', async () => {
    const file = JSON.stringify(path.join(__dirname, 'keep-heap-small.ts'));
    const small = await collections(`import { keepHeapSmall } from ${file}; keepHeapSmall();`);
    expect(small).toBeGreaterThan(5);
    // The control: what it does unless told.
    expect(await collections('')).toBeLessThan(small / 2);
  }, 60_000);
});
