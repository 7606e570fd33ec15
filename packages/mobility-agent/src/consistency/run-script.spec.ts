import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { until } from '../sender/testing/until.ts';
import { endGroup, runScript } from './run-script.ts';

describe('a script', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), 'holdfast-script-'))));
  afterEach(() => rmSync(folder, { recursive: true }));
  const run = (text: string, limit = 30_000, signal?: AbortSignal) => {
    const file = path.join(folder, 'script');
    writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return runScript({ file, limit, environment: { PATH: '/usr/bin:/bin', GIVEN: 'this' } }, 'pre', signal);
  };

  it('gets its phase and nothing but the given environment', async () => {
    process.env['HOLDFAST_SECRET'] = 'x';
    const { problem } = await run(`echo "$1 $GIVEN $HOLDFAST_PHASE $HOLDFAST_TIME_LIMIT [$HOLDFAST_SECRET] $(pwd)" > ${folder}/told`);
    delete process.env['HOLDFAST_SECRET'];
    expect(problem).toBeUndefined();
    expect(readFileSync(`${folder}/told`, 'utf8')).toBe('pre this pre 30 [] /\n');
  });

  it('that fails tells its status and the end of what it wrote, however much that was', async () => {
    const { problem } = await run('yes something | head -c 10000000; echo at last >&2; exit 7');
    expect(problem).toMatch(/^it ended with status 7; it wrote: .*at last$/s);
    expect(problem!.length).toBeLessThan(2200);
    expect((await run('kill -9 $$')).problem).toBe('it ended with SIGKILL');
  });

  it('that takes too long is ended with all it started, also when it does not want to', async () => {
    const { problem } = await run(`trap '' TERM; (trap '' TERM; echo $$ > ${folder}/pid; while :; do sleep 0.01; done) & wait`, 200);
    expect(problem).toBe('it took longer than 0.2 s');
    const pid = readFileSync(`${folder}/pid`, 'utf8').trim();
    await until('it is gone', () => !existsSync(`/proc/${pid}`));
  });

  it('is ended when the hold is over', async () => {
    const over = new AbortController();
    const running = run('sleep 1000', 600_000, over.signal);
    over.abort();
    expect((await running).problem).toContain('the hold is over');
  });

  it('may leave something running, which does not hold it up and is ended later', async () => {
    const { problem, group } = await run(`sleep 1000 & echo $! > ${folder}/pid`);
    expect(problem).toBeUndefined();
    const pid = Number(readFileSync(`${folder}/pid`, 'utf8'));
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    endGroup(group!);
    await until('it is gone', () => !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z'));
  });

  it('that cannot be started says so', async () => {
    writeFileSync(path.join(folder, 'nothing'), '#!/nowhere\n', { mode: 0o755 });
    const { problem } = await runScript({ file: path.join(folder, 'nothing'), limit: 1000, environment: {} }, 'post');
    expect(problem).toContain('could not be started');
  });
});
