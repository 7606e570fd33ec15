import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { killPrograms, startProgram } from '../testing/started-program.ts';

/** Receives datagrams like systemd: prints each as one line of JSON. */
const RECEIVER = `
import json, socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1].replace("@", "\\0", 1) if sys.argv[1].startswith("@") else sys.argv[1])
print(json.dumps("bound"), flush=True)
while True:
    print(json.dumps(receiver.recv(4096).decode()), flush=True)
`;

const receivers: ChildProcess[] = [];
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-notify-'));
});
afterEach(async () => {
  await killPrograms();
  for (const receiver of receivers.splice(0)) receiver.kill();
  await rm(directory, { recursive: true });
});

const receive = async (name: string) => {
  const child = spawn('python3', ['-c', RECEIVER, name], { stdio: ['ignore', 'pipe', 'inherit'] });
  receivers.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => JSON.parse((await lines.next()).value as string) as string;
  expect(await next()).toBe('bound');
  return { next };
};

const start = (environment: Readonly<Record<string, string>>, flags: readonly string[] = []) =>
  startProgram({ flags: ['--state.directory', path.join(directory, 'state'), ...flags], environment });

describe.unless(lacks('python3'), 'systemd', () => {
  it.each([
    ['a path', () => path.join(directory, 'notify')],
    ['an abstract name', () => `@holdfast-notify-${process.pid}`],
  ])('is told by a socket with %s: status, ready, stopping', async (_what, name) => {
    const { next } = await receive(name());
    const program = start({ NOTIFY_SOCKET: name() });
    expect([await next(), await next()]).toEqual(['STATUS=waiting for work', 'READY=1']);
    program.kill('SIGTERM');
    expect(await next()).toBe('STOPPING=1');
    expect(await program.ended).toBe(0);
    expect(program.lines.filter(({ level }) => level === 'warn')).toEqual([]);
  });

  it('has its watchdog fed at half of its period', async () => {
    const name = `@holdfast-watchdog-${process.pid}`;
    const { next } = await receive(name);
    start({ NOTIFY_SOCKET: name, WATCHDOG_USEC: '400000' });
    const told: string[] = [];
    const times: number[] = [];
    while (times.length < 5) {
      told.push(await next());
      if (told.at(-1) === 'WATCHDOG=1') times.push(performance.now());
    }
    expect(told).toContain('READY=1');
    // Four periods of 200 ms; a timer may be late, never early.
    expect(times.at(-1)! - times[0]!).toBeGreaterThan(600);
  });

  it('has its watchdog starve when the program is not live', async () => {
    const name = `@holdfast-starve-${process.pid}`;
    const { next } = await receive(name);
    const program = start({ NOTIFY_SOCKET: name, WATCHDOG_USEC: '100000' }, ['--example.live', 'false']);
    await program.line('The watchdog is not fed: the program is not live');
    await program.line('The program does its work');
    program.kill('SIGTERM');
    const told: string[] = [];
    while (told.at(-1) !== 'STOPPING=1') told.push(await next());
    // Before main adds its check there is nothing wrong: that one feeding is right.
    expect(told.filter((line) => line !== 'WATCHDOG=1')).toEqual(['STATUS=waiting for work', 'READY=1', 'STOPPING=1']);
    expect(told.filter((line) => line === 'WATCHDOG=1').length).toBeLessThanOrEqual(1);
  });
});
