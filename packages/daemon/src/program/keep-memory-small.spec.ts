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

/** Frees every other one of many things outside of the heap; prints how many bytes of memory went back to the system within `ms`, or as soon as it was half of them. */
const freeOthers = (ms: number): string => `
  const all = Array.from({ length: 4000 }, () => Buffer.allocUnsafeSlow(40_000).fill(1));
  const full = process.memoryUsage.rss();
  for (const [index, { buffer }] of all.entries()) if (index % 2 === 0) buffer.transfer(0);
  const end = performance.now() + ${ms};
  const given = () => full - process.memoryUsage.rss();
  while (performance.now() < end && given() < 2000 * 20_000) await new Promise((resolve) => setTimeout(resolve, 20));
  console.log(JSON.stringify({ given: given(), kept: all.length }));
`;

const outcome = async (script: string): Promise<{ readonly collections: number; readonly given: number }> => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '--max-semi-space-size=8',
    '--input-type=module',
    '--eval',
    script,
  ]);
  return JSON.parse(stdout);
};

const collections = async (before: string): Promise<number> =>
  (await outcome(`import { PerformanceObserver } from 'node:perf_hooks'; ${before} ${REPLACE}`)).collections;

const IMPORT = `import { keepMemorySmall } from ${JSON.stringify(path.join(__dirname, 'keep-memory-small.ts'))};`;

describe('small memory', () => {
  it('has its heap collected before it has grown to many times of what is in use', async () => {
    const small = await collections(`${IMPORT} keepMemorySmall();`);
    expect(small).toBeGreaterThan(5);
    // The control: what it does unless told.
    expect(await collections('')).toBeLessThan(small / 2);
  }, 60_000);

  it('gives back what lies between things in use', async () => {
    const half = 2000 * 20_000;
    expect((await outcome(`${IMPORT} keepMemorySmall(50); ${freeOthers(60_000)}`)).given).toBeGreaterThan(half);
    // The control: what it does unless told.
    expect((await outcome(freeOthers(1000))).given).toBeLessThan(half / 2);
  }, 120_000);
});
