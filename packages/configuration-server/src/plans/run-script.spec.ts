import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { runPlanScript } from './run-script.ts';

const running = new AbortController().signal;

describe('a script of a plan', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(homedir(), '.plan-script-'));
    await chmod(directory, 0o755);
  });
  afterEach(() => rm(directory, { recursive: true }));

  const run = async (text: string, limit = 30_000, signal = running): Promise<string> => {
    const file = path.join(directory, 'script');
    await writeFile(file, `#!/bin/sh\n${text}\n`);
    await chmod(file, 0o755);
    return runPlanScript({ directory, name: 'script', limit, environment: { PLACE: directory } }, signal);
  };

  it('is over when it ends, though something that it started runs on and holds its output open', async () => {
    const began = performance.now();
    try {
      expect(
        await run('setsid sh -c "echo \\$\\$ > $PLACE/left; exec sleep 40" &\nuntil [ -s $PLACE/left ]; do :; done\necho it is up'),
      ).toBe('it is up');
      expect(performance.now() - began).toBeLessThan(20_000);
    } finally {
      process.kill(Number(await readFile(path.join(directory, 'left'), 'utf8')), 'SIGKILL');
    }
  });

  it('tells how it failed, with the end of what it wrote', async () => {
    await expect(run('echo no route >&2; exit 3')).rejects.toMatchObject({
      code: 'PLAN_ACTION_FAILED',
      why: 'it ended with status 3; it wrote: no route',
    });
  });

  it('is ended when it takes too long', async () => {
    await expect(run('sleep 40', 100)).rejects.toMatchObject({ code: 'PLAN_ACTION_FAILED', why: 'it took longer than 0.1 s' });
  });

  it('is ended by the stop, and does not begin after it', async () => {
    const stop = new AbortController();
    const first = run('sleep 40', 30_000, stop.signal);
    setTimeout(() => stop.abort(new Error('the stop')), 200);
    await expect(first).rejects.toThrow('the stop');
    await expect(run('touch $PLACE/begun; sleep 40', 30_000, stop.signal)).rejects.toThrow('the stop');
    await expect(readFile(path.join(directory, 'begun'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
