import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { formatSilentAgent } from '@holdfast/protocol';
import { LOGIN_PROMPT } from './prove-point.ts';
import { readConsole, type Waiting, waitForAgent, waitForConsole, waitForTcp } from './wait-for.ts';

const waiting = (changes: Partial<Waiting> = {}): Waiting => ({
  patience: 10_000,
  signal: new AbortController().signal,
  hopeless: async () => undefined,
  ...changes,
});

describe('waiting for a console', () => {
  let directory: string;
  let log: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-wait-'));
    log = path.join(directory, 'console.log');
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('ends with the line, whatever colours are in it', async () => {
    const found = waitForConsole(log, LOGIN_PROMPT, waiting());
    await writeFile(log, 'starting\r\n');
    await appendFile(log, '\u001b[1;32mdb1\u001b[0m login: ');
    expect(await found).toBe('db1 login:');
    expect(await readConsole(log, 11)).not.toContain('\u001b');
  });

  it('ends when time is over, when there is nothing to wait for, and when somebody wants to stop', async () => {
    await writeFile(log, 'login failed\n');
    await expect(waitForConsole(log, LOGIN_PROMPT, waiting({ patience: 0 }))).rejects.toMatchObject({ code: 'TIMED_OUT' });
    const off = waiting({ hopeless: async () => 'the machine went off' });
    await expect(waitForConsole(log, LOGIN_PROMPT, off)).rejects.toMatchObject({ code: 'TIMED_OUT', why: 'the machine went off' });
    await expect(waitForConsole(log, LOGIN_PROMPT, waiting({ signal: AbortSignal.abort(new Error('stop')) }))).rejects.toThrow('stop');
  });
});

describe('waiting for the agent inside', () => {
  const [machineId, other] = ['ab'.repeat(16), 'cd'.repeat(16)];

  it('ends with its words, not with those of the agent of another machine; never where there is no port for it', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-wait-'));
    try {
      const log = path.join(directory, 'agent.log');
      const said = (machine: string) => appendFile(log, formatSilentAgent({ machineId: machine, version: '0.1.0' }));
      await said(other);
      await expect(waitForAgent(log, machineId, waiting({ patience: 0 }))).rejects.toMatchObject({ code: 'TIMED_OUT' });
      const found = waitForAgent(log, machineId, waiting());
      await said(machineId);
      expect(await found).toContain(machineId);
      await expect(waitForAgent(undefined, machineId, waiting())).rejects.toMatchObject({
        code: 'TIMED_OUT',
        why: expect.stringContaining('port'),
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe('waiting for a port', () => {
  let server: Server | undefined;
  afterEach(() => new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve()))));
  const listen = (answer: (socket: Socket) => void): Promise<number> =>
    new Promise((resolve) => {
      server = createServer((socket) => {
        socket.on('error', () => undefined);
        answer(socket);
      }).listen(0, '127.0.0.1', () => resolve((server!.address() as { port: number }).port));
    });

  it('ends with the first line it says', async () => {
    const port = await listen((socket) => socket.end('SSH-2.0-OpenSSH\r\n'));
    expect(await waitForTcp(port, waiting())).toBe('SSH-2.0-OpenSSH');
  });

  it.each([
    ['HTTP', 'GET ', 'HTTP/1.1 400 Bad Request\r\n', 'HTTP/1.1 400 Bad Request'],
    ['PostgreSQL', '\u0000\u0000\u0000\u0008', 'N', 'N'],
  ])('ends with what somebody says who waits to be spoken to: %s', async (_, opening, answer, told) => {
    const port = await listen((socket) =>
      socket.on('data', (data) => (data.toString('latin1').startsWith(opening) ? socket.write(answer) : undefined)),
    );
    expect(await waitForTcp(port, waiting())).toBe(told);
  });

  it('does not take a connection for an answer: QEMU takes every one', async () => {
    const port = await listen(() => undefined);
    await expect(waitForTcp(port, waiting({ patience: 0 }))).rejects.toMatchObject({ code: 'TIMED_OUT' });
  });

  it('does not take for an answer that a connection is ended at once, as QEMU does where nobody listens', async () => {
    const port = await listen((socket) => socket.destroy());
    await expect(waitForTcp(port, waiting({ patience: 0 }))).rejects.toMatchObject({ code: 'TIMED_OUT' });
    await expect(waitForTcp(1, waiting({ patience: 0 }))).rejects.toMatchObject({ code: 'TIMED_OUT' });
  });
});
