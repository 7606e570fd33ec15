import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { release } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { takeShortSlices } from './time-slices.ts';

const [major = 0, minor = 0] = release().split('.').map(Number);
const OFFERED = major > 6 || (major === 6 && minor >= 12);

/** Tells the time slices of all threads of a process, one of which was started after `before`, and what that gave. */
const slices = async (before: string): Promise<{ threads: number; slices: number[] }> => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--conditions=@holdfast/source',
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '--eval',
    `import { readdirSync, readFileSync } from 'node:fs';
     import { once } from 'node:events';
     import { Worker } from 'node:worker_threads';
     import { takeShortSlices } from ${JSON.stringify(path.join(__dirname, 'time-slices.ts'))};
     const threads = ${before};
     const worker = new Worker('setInterval(() => undefined, 1e6)', { eval: true });
     await once(worker, 'online');
     const slices = readdirSync('/proc/self/task').map((id) => Number(/se\\.slice +: +(\\d+)/.exec(readFileSync('/proc/self/task/' + id + '/sched', 'latin1'))?.[1]));
     console.log(JSON.stringify({ threads, slices }));
     process.exit(0);`,
  ]);
  return JSON.parse(stdout) as { threads: number; slices: number[] };
};

describe('time slices', () => {
  it('stay as they are where nothing tells which threads there are', () => {
    expect(takeShortSlices('/proc/nowhere')).toBe(0);
  });

  it('are the shortest for all threads of a process, and those that it starts, where the kernel offers that', async () => {
    if (!OFFERED) {
      expect((await slices('takeShortSlices()')).threads).toBe(0);
      return;
    }
    const taken = await slices('takeShortSlices()');
    expect(taken.threads).toBeGreaterThan(1);
    // Whether the kernel shows them is a matter of how it was made.
    if (!existsSync('/proc/self/sched')) return;
    expect(taken.slices.length).toBeGreaterThan(taken.threads);
    expect(new Set(taken.slices)).toEqual(new Set([100_000]));
    // The control: what they are unless asked.
    expect(Math.max(...(await slices('0')).slices)).toBeGreaterThan(100_000);
  }, 60_000);
});
