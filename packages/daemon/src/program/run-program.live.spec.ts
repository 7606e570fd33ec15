import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { killPrograms, startProgram } from '../testing/started-program.ts';
import { VERSION } from '../version.ts';

let directory: string;
let state: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-program-'));
  state = path.join(directory, 'a', 'state');
});
afterEach(async () => {
  await killPrograms();
  await rm(directory, { recursive: true });
});

const start = (flags: readonly string[] = [], environment: Readonly<Record<string, string>> = {}) =>
  startProgram({ flags: ['--state.directory', state, ...flags], environment });
const ready = 'The program does its work';

describe('a program', () => {
  it('starts, serves health and metrics, and stops in order at SIGTERM', async () => {
    const program = start();
    const { port } = await program.line('Health and metrics are served');
    await program.line(ready);
    expect(await (await fetch(`http://127.0.0.1:${port}/healthz`)).json()).toMatchObject({ ready: true, checks: [{ name: 'life' }] });
    expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toContain(`version="${VERSION}"`);
    program.kill('SIGTERM');
    expect(await program.ended).toBe(0);
    expect(program.lines.map(({ message }) => message).slice(-4)).toEqual([
      'The program stops',
      'worker ended',
      'inner closed',
      'outer closed',
    ]);
    expect(program.text()).toBe('');
  });

  it('makes its state directory for itself alone', async () => {
    const program = start();
    await program.line(ready);
    expect((await stat(state)).mode & 0o777).toBe(0o700);
    expect(await readFile(path.join(state, 'lock'), 'utf8')).toBe(`holdfast-example ${program.pid}\n`);
  });

  it('is live but not ready while it starts, and stops there too', async () => {
    const program = start(['--example.starts-in', '1h', '--stop.deadline', '1s']);
    const { port } = await program.line('Health and metrics are served');
    await program.line('main');
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(503);
    expect((await fetch(`http://127.0.0.1:${port}/healthz/live`)).status).toBe(200);
    program.kill('SIGINT');
    expect(await program.ended).toBe(9);
    expect(program.lines.at(-1)).toMatchObject({ error: { code: 'STOP_INCOMPLETE', message: expect.stringContaining('start') } });
  });

  it('ends at once at the second signal', async () => {
    const program = start(['--example.closes-in', '1h']);
    await program.line(ready);
    program.kill('SIGTERM');
    await program.line('worker ended');
    program.kill('SIGINT');
    expect(await program.ended).toBe(130);
    const other = start(['--example.closes-in', '1h']);
    await other.line(ready);
    other.kill('SIGINT');
    await other.line('worker ended');
    other.kill('SIGTERM');
    expect(await other.ended).toBe(143);
  });

  it('does not wait for ever for what does not close', async () => {
    const program = start(['--example.closes-in', '1h', '--stop.deadline', '1s']);
    await program.line(ready);
    program.kill('SIGTERM');
    expect(await program.ended).toBe(9);
    expect(program.lines.at(-1)).toMatchObject({ error: { code: 'STOP_INCOMPLETE', message: expect.stringContaining('inner, outer') } });
  });

  it.each([
    ['starting', 3, 'NO_PERMISSION'],
    ['working', 8, 'FENCED'],
  ])('that fails %s ends with the status of its error', async (when, status, code) => {
    const program = start(['--example.fails', when]);
    expect(await program.ended).toBe(status);
    expect(program.lines).toContainEqual(expect.objectContaining({ level: 'error', error: expect.objectContaining({ code }) }));
  });

  it('with a defect says where, and ends with 70', async () => {
    const program = start(['--example.fails', 'defect']);
    expect(await program.ended).toBe(70);
    expect(program.lines.at(-1)).toMatchObject({ level: 'error', error: { stack: expect.stringContaining('example-program') } });
  });

  it('is killed without hurting the next start', async () => {
    const program = start();
    await program.line(ready);
    program.kill('SIGKILL');
    expect(await program.ended).toBe('SIGKILL');
    const next = start();
    await next.line(ready);
  });

  it('keeps what it compiled where it is told to, although it is killed', async () => {
    const compiled = path.join(directory, 'compiled');
    const program = start([], { NODE_COMPILE_CACHE: compiled });
    await program.line(ready);
    const count = async (): Promise<number> => (await readdir(compiled, { recursive: true })).length;
    // Jest's own limit ends the wait.
    while ((await count()) < 10) await sleep(20);
    program.kill('SIGKILL');
    expect(await program.ended).toBe('SIGKILL');
  });
});

describe('a second instance', () => {
  it('on the same state directory is refused by name, and the first goes on', async () => {
    const first = start();
    await first.line(ready);
    const second = start();
    expect(await second.ended).toBe(8);
    expect(second.lines.at(-1)).toMatchObject({
      error: { code: 'ALREADY_RUNNING', message: expect.stringContaining(`holdfast-example (process ${first.pid}) uses it`) },
    });
    first.kill('SIGTERM');
    expect(await first.ended).toBe(0);
  });

  it('with a state directory of its own runs beside it', async () => {
    const [first, second] = [start(), startProgram({ flags: ['--state.directory', path.join(directory, 'b')] })];
    await Promise.all([first.line(ready), second.line(ready)]);
  });

  it('on the port of the first is refused by name', async () => {
    const first = start();
    const { port } = await first.line('Health and metrics are served');
    const second = startProgram({ flags: ['--state.directory', path.join(directory, 'b'), '--http.listen', `127.0.0.1:${port}`] });
    expect(await second.ended).toBe(8);
    expect(second.lines.at(-1)).toMatchObject({ error: { code: 'ADDRESS_IN_USE' } });
  });
});

describe('the command line', () => {
  it('--help teaches, --version tells, --print-settings shows what is in force without secrets', async () => {
    const config = path.join(directory, 'c.yaml');
    await writeFile(config, 'example: {starts-in: 5ms, token: hunter2}\n', { mode: 0o600 });
    const [help, version, settings] = [
      start(['--help']),
      start(['--version']),
      start(['--print-settings', '--config', config], { HOLDFAST_LOG_LEVEL: 'debug' }),
    ];
    expect(await Promise.all([help.ended, version.ended, settings.ended])).toEqual([0, 0, 0]);
    expect(help.text()).toContain('example.starts-in');
    expect(version.text()).toBe(`holdfast-example ${VERSION} (node ${process.version})\n`);
    expect(settings.text()).toContain(`starts-in: 5ms  # ${config}`);
    expect(settings.text()).toContain('level: debug  # HOLDFAST_LOG_LEVEL');
    expect(settings.text()).not.toContain('hunter2');
    await expect(stat(state)).rejects.toThrow();
  });

  it.each([
    ['--example.fales=never', 'SETTING_UNKNOWN', 'perhaps --example.fails is meant'],
    ['--nonsense', 'SETTING_UNKNOWN', 'option --nonsense: there is no such option; leave it out; --help lists all settings'],
    ['--hlep', 'SETTING_UNKNOWN', 'perhaps --help is meant'],
    ['--log.level', 'SETTING_INVALID', '--log.level: its value is missing'],
    ['--example.fails=often', 'SETTING_INVALID', 'one of never, starting'],
    ['--example.token=x', 'SETTING_INVALID', 'token-file'],
    ['now', 'SETTING_INVALID', 'it is no flag'],
    ['--config=/nowhere.yaml', 'OBJECT_NOT_FOUND', '/nowhere.yaml'],
  ])('%s changes nothing, and one line says why', async (flag, code, words) => {
    const program = start([flag]);
    expect(await program.ended).toBe(code === 'OBJECT_NOT_FOUND' ? 4 : 2);
    expect(program.text()).toMatch(new RegExp(`^\\[${code}\\] .*${words}.*\n$`));
    await expect(stat(state)).rejects.toThrow();
  });

  it('secrets are in no line of the log', async () => {
    const program = start([], { HOLDFAST_EXAMPLE_TOKEN: 'hunter2' });
    await program.line(ready);
    expect(JSON.stringify(program.lines)).not.toContain('hunter2');
    expect((await program.line('main'))['example']).toMatchObject({ token: '[redacted]' });
  });

  it('lines go to stderr when asked to', async () => {
    const program = start(['--log.output', 'stderr', '--log.level', 'warn', '--http.enabled', 'false']);
    program.kill('SIGTERM');
    await program.ended;
    expect(program.lines).toEqual([]);
  });
});
