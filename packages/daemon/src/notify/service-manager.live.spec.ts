import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { killReceivers, receiveDatagrams } from '../testing/datagram-receiver.ts';
import { killPrograms, startProgram } from '../testing/started-program.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-notify-'));
});
afterEach(async () => {
  await killPrograms();
  killReceivers();
  await rm(directory, { recursive: true });
});

const start = (environment: Readonly<Record<string, string>>, flags: readonly string[] = []) =>
  startProgram({ flags: ['--state.directory', path.join(directory, 'state'), ...flags], environment });

describe.unless(lacks('python3'), 'systemd', () => {
  it.each([
    ['a path', () => path.join(directory, 'notify')],
    ['an abstract name', () => `@holdfast-notify-${process.pid}`],
  ])('is told by a socket with %s: status, ready, stopping', async (_what, name) => {
    const { next } = await receiveDatagrams(name());
    const program = start({ NOTIFY_SOCKET: name() });
    expect([await next(), await next()]).toEqual(['STATUS=waiting for work', 'READY=1']);
    program.kill('SIGTERM');
    expect(await next()).toBe('STOPPING=1');
    expect(await program.ended).toBe(0);
    expect(program.lines.filter(({ level }) => level === 'warn')).toEqual([]);
  });

  it('has its watchdog fed at half of its period', async () => {
    const name = `@holdfast-watchdog-${process.pid}`;
    const { next } = await receiveDatagrams(name);
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
    const { next } = await receiveDatagrams(name);
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
