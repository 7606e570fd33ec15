import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { killReceivers, receiveDatagrams } from '../testing/datagram-receiver.ts';
import { killPrograms, type StartedProgram, startProgram } from '../testing/started-program.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-supervise-'));
});
afterEach(async () => {
  await killPrograms();
  killReceivers();
  await rm(directory, { recursive: true });
});

const supervisor = (environment: Readonly<Record<string, string>>, ...children: readonly string[]): StartedProgram =>
  startProgram({ environment, flags: ['--state.directory', path.join(directory, 'state'), '--example.children', children.join(',')] });

/** Milliseconds, far longer than anything here takes. */
const PATIENCE = 200_000;

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const until = async (condition: () => boolean): Promise<void> => {
  const end = Date.now() + PATIENCE;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${PATIENCE / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

/** Processes of the children, in order of their starts. */
const childrenOf = ({ lines }: StartedProgram): { name: unknown; child: number }[] =>
  lines.filter(({ message }) => message === 'A program was started').map(({ name, child }) => ({ name, child: child as number }));

describe('a supervisor', () => {
  it('is ready when its programs are, and ends them in reverse order', async () => {
    const program = supervisor({}, 'one', 'two --example.starts-in=300ms --example.closes-in=300ms');
    const { states } = await program.line('supervising');
    expect(states).toEqual([
      { name: 'one', pid: expect.any(Number), ready: true, restarts: 0 },
      { name: 'two', pid: expect.any(Number), ready: true, restarts: 0 },
    ]);
    program.kill('SIGTERM');
    expect(await program.ended).toBe(0);
    const children = childrenOf(program);
    expect(children.map(({ child }) => alive(child))).toEqual([false, false]);
    const ends = program.lines.filter(({ message }) => message === 'outer closed').map(({ pid }) => pid);
    expect(ends).toEqual([children[1]!.child, children[0]!.child, program.pid]);
  });

  it('starts again what was killed, and says so in its health', async () => {
    const program = supervisor({}, 'one', 'two');
    const { port } = await program.line('Health and metrics are served');
    await program.line('supervising');
    const [one] = childrenOf(program);
    process.kill(one!.child, 'SIGKILL');
    expect(await program.line('A program ended and is started again')).toMatchObject({
      name: 'one',
      why: 'it was ended by SIGKILL',
      restarts: 1,
    });
    expect(await (await fetch(`http://127.0.0.1:${port}/healthz`)).json()).toMatchObject({
      ready: false,
      checks: expect.arrayContaining([expect.objectContaining({ name: 'one', problem: 'one is not ready' })]),
    });
    await until(() => childrenOf(program).length === 3);
    expect(childrenOf(program)[2]!.name).toBe('one');
    program.kill('SIGTERM');
    expect(await program.ended).toBe(0);
  });

  it('waits longer each time for what keeps failing', async () => {
    const program = supervisor({}, 'one --example.fails=soon');
    await until(() => program.lines.filter(({ message }) => message === 'A program ended and is started again').length >= 2);
    const waits = program.lines
      .filter(({ message }) => message === 'A program ended and is started again')
      .map(({ waitMillis }) => waitMillis);
    expect(waits.slice(0, 2)).toEqual([1000, 2000]);
    program.kill('SIGTERM');
    expect(await program.ended).toBe(0);
  });

  it('ends with 2 when the settings of a program are wrong', async () => {
    const program = supervisor({}, 'one', 'two --example.fails=always');
    expect(await program.ended).toBe(2);
    expect(program.text()).toContain('[SETTING_INVALID] setting example.fails');
    expect(childrenOf(program).map(({ child }) => alive(child))).toEqual([false, false]);
  });

  it('is reached by Ctrl-C alone: its programs stop in order all the same', async () => {
    const program = supervisor({}, 'one', 'two');
    await program.line('supervising');
    program.interrupt();
    expect(await program.ended).toBe(0);
    expect(program.lines.filter(({ message }) => message === 'outer closed')).toHaveLength(3);
    expect(program.lines.filter(({ reason }) => reason === 'signal SIGINT').map(({ pid }) => pid)).toEqual([program.pid]);
  });

  it.unless(lacks('python3'), 'alone is known to systemd', async () => {
    const name = `@holdfast-supervise-${process.pid}`;
    const { next } = await receiveDatagrams(name);
    const program = supervisor({ NOTIFY_SOCKET: name, WATCHDOG_USEC: '60000000' }, 'one');
    await program.line('supervising');
    program.kill('SIGTERM');
    const told: string[] = [];
    while (told.at(-1) !== 'STOPPING=1') told.push(await next());
    await program.ended;
    expect(told.filter((line) => line.startsWith('READY') || line.startsWith('STOPPING'))).toEqual(['READY=1', 'STOPPING=1']);
  });

  it('leaves nobody behind when it is killed as it starts a program', async () => {
    const program = supervisor({}, 'one');
    const { child } = await program.line('A program was started');
    program.kill('SIGKILL');
    await program.ended;
    try {
      await until(() => !alive(child as number));
    } finally {
      if (alive(child as number)) process.kill(child as number, 'SIGKILL');
    }
  });

  it('leaves nobody behind when it is killed', async () => {
    const program = supervisor({}, 'one', 'two');
    await program.line('supervising');
    program.kill('SIGKILL');
    await program.ended;
    await until(() => childrenOf(program).every(({ child }) => !alive(child)));
  });
});
