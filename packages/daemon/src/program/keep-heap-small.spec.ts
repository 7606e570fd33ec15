import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

/** Keeps the newest of many small things, as a server does with reports of its peers; prints the largest heap it had while about 60 MB were in use. */
const REPLACE = `
  const newest = [];
  let largest = 0;
  for (let i = 0; i < 2_500_000; i += 1) {
    newest[(i * 7919) % 400_000] = { i, text: [i, i] };
    if (i % 100_000 !== 0) continue;
    await new Promise(setImmediate);
    largest = Math.max(largest, process.memoryUsage().heapTotal);
  }
  console.log(largest / 1e6);
`;

const largestHeap = async (before: string): Promise<number> => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '--max-semi-space-size=8',
    '--input-type=module',
    '--eval',
    `${before} ${REPLACE}`,
  ]);
  return Number(stdout);
};

describe('a small heap', () => {
  it('does not grow to many times of what is in use', async () => {
    const file = JSON.stringify(path.join(__dirname, 'keep-heap-small.ts'));
    const small = await largestHeap(`import { keepHeapSmall } from ${file}; keepHeapSmall();`);
    // The control: what it does unless told.
    expect(await largestHeap('')).toBeGreaterThan(small * 1.3);
  }, 60_000);
});
