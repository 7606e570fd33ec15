import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../lab/host/until.ts';
import { cleanUp } from '../../lab/record/clean-up.ts';
import { createRecorder, newRunId, type Recorder } from '../../lab/record/run-record.ts';
import type { Link } from './link.ts';
import { createNetworkRoom, type NetworkRoom } from './network-room.ts';

/** Says what it hears back to whoever comes, at an address of which the kernel chooses the port. */
const ECHO = `
  const server = require('node:net').createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  server.listen(0, process.argv[1], () => console.log(server.address().port));`;
/** Connects and prints what it is told, or why not. */
const HEAR = `
  const socket = require('node:net').connect(Number(process.argv[1]), '127.0.0.1');
  socket.on('data', (bytes) => { console.log(String(bytes)); process.exit(); });
  socket.on('error', ({ code }) => { console.log(code); process.exit(); });`;

describe.unless(lacks('root', 'ip', 'iptables', 'tc', 'ss', 'nsenter'), 'a network room', () => {
  let parent: string;
  let recorder: Recorder;
  let room: NetworkRoom;
  let link: Link;
  let host: Server;
  const children: ChildProcess[] = [];
  const sockets: Socket[] = [];

  const within = (script: string, argument: string): ChildProcess => {
    const [command, ...args] = [...room.enter, process.execPath, '-e', script, argument];
    const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    return child;
  };
  const wordsOf = async (child: ChildProcess): Promise<string> => String((await once(child.stdout!, 'data'))[0]).trim();

  const dial = () => {
    const socket = connect(link.port, link.host);
    sockets.push(socket);
    const seen = { bytes: 0, open: false, over: false };
    socket.on('connect', () => {
      seen.open = true;
    });
    socket.on('data', ({ length }) => {
      seen.bytes += length;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      seen.over = true;
    });
    return { socket, seen };
  };
  const soon = (what: string, holds: () => boolean): Promise<void> => until(what, holds, { seconds: 60, everyMilliseconds: 5 });
  const wires = (): string[] => Object.keys(networkInterfaces()).filter((name) => name.startsWith(`hf${recorder.id}`));

  beforeAll(async () => {
    parent = mkdtempSync(path.join(tmpdir(), 'network-room-'));
    recorder = createRecorder(newRunId(), parent);
    room = createNetworkRoom(recorder, '1');
    link = room.linkTo(Number(await wordsOf(within(ECHO, room.inside))));
    host = createServer((socket) => socket.on('error', () => undefined).end('the host'));
    host.listen(0, room.outside);
    await once(host, 'listening');
  });
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    host?.close();
    expect(wires()).toHaveLength(1);
    expect((await cleanUp(recorder.file, recorder.record)).failures).toEqual([]);
    await soon('the wire is gone', () => wires().length === 0);
    expect(existsSync('/run/netns') && existsSync(`/run/netns/holdfast-${recorder.id}-1`)).toBe(false);
    rmSync(parent, { recursive: true });
  });
  afterEach(() => {
    link.state = { kind: 'open' };
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  it('that is dead loses what is sent, lets nobody in, and tells no one; afterwards all go on', async () => {
    const one = dial();
    one.socket.write('x');
    await soon('it came back', () => one.seen.bytes === 1);
    link.state = { kind: 'dead' };
    one.socket.write('y');
    const other = dial();
    other.socket.write('z');
    await sleep(300);
    expect([one.seen, other.seen]).toEqual([
      { bytes: 1, open: true, over: false },
      { bytes: 0, open: false, over: false },
    ]);
    link.state = { kind: 'open' };
    await soon('both go on', () => one.seen.bytes === 2 && other.seen.bytes === 1);
  });

  it('that is cut ends what there is and refuses the next', async () => {
    const one = dial();
    one.socket.write('x');
    await soon('it came back', () => one.seen.bytes === 1);
    link.state = { kind: 'cut' };
    await soon('it is over', () => one.seen.over);
    const other = dial();
    await soon('it is refused', () => other.seen.over);
    expect(other.seen.open).toBe(false);
    link.state = { kind: 'open' };
    const third = dial();
    await soon('it is let in', () => third.seen.open);
    link.reset();
    await soon('it is reset', () => third.seen.over);
  });

  it('that is thin lets so many bytes through', async () => {
    link.state = { kind: 'thin', bytesPerSecond: 200_000 };
    const one = dial();
    const began = performance.now();
    one.socket.write(Buffer.alloc(150_000));
    await soon('all came back', () => one.seen.bytes === 150_000);
    expect(performance.now() - began).toBeGreaterThan(500);
  });

  it('reaches the host by the loopback where it is told to, as long as that way is open', async () => {
    const { port } = host.address() as AddressInfo;
    expect(await wordsOf(within(HEAR, String(port)))).toBe('ECONNREFUSED');
    room.redirectLoopback(port);
    expect(await wordsOf(within(HEAR, String(port)))).toBe('the host');
    const way = room.linkFrom(port);
    way.state = { kind: 'cut' };
    expect(await wordsOf(within(HEAR, String(port)))).toBe('ECONNREFUSED');
    way.state = { kind: 'open' };
    expect(await wordsOf(within(HEAR, String(port)))).toBe('the host');
  });
});
