import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { lstat, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryDevice } from '@holdfast/block';
import fc from 'fast-check';
import { createNbdServer } from './server.ts';
import { connectRaw, enter, FIXED_NO_ZEROES, option, request } from './testing/raw-client.ts';
import { changed, closeServers, serve, until } from './testing/served.ts';

const SIZE = 64 * 1024 * 1024;
const exportsOf = (calls: Parameters<typeof changed>[1] = {}) => new Map([['', { device: changed(createMemoryDevice(SIZE), calls) }]]);
const [READ, WRITE] = [0, 1] as const;

afterEach(closeServers);

describe('listening', () => {
  let directory: string;
  let path: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-'));
    path = join(directory, 'nbd.sock');
  });
  afterEach(() => rm(directory, { recursive: true }));

  test("a socket is its owner's only and is gone after the end", async () => {
    const server = await createNbdServer({ exports: exportsOf(), listen: { path } });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(server.uri('a')).toBe(`nbd+unix:///a?socket=${path}`);
    await Promise.all([server.close(), server.close()]);
    await expect(lstat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a socket of a dead program is replaced', async () => {
    const child = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('here'))`,
    ]);
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect((await lstat(path)).isSocket()).toBe(true);
    const server = await createNbdServer({ exports: exportsOf(), listen: { path } });
    (await enter(path)).close();
    await server.close();
  });

  test('a socket in use and a file that is no socket are left alone', async () => {
    const first = await createNbdServer({ exports: exportsOf(), listen: { path } });
    await expect(createNbdServer({ exports: exportsOf(), listen: { path } })).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      thing: path,
    });
    (await enter(path)).close();
    await first.close();
    await writeFile(path, 'a letter');
    await expect(createNbdServer({ exports: exportsOf(), listen: { path } })).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
    expect(await readFile(path, 'utf8')).toBe('a letter');
  });

  test('TCP: a free port is found, one in use is refused', async () => {
    const server = await createNbdServer({ exports: exportsOf(), listen: { host: '127.0.0.1', port: 0 } });
    const address = server.address as { host: string; port: number };
    expect(address.port).toBeGreaterThan(0);
    const socket = net.connect(address);
    expect((await once(socket, 'data'))[0].length).toBe(18);
    await expect(createNbdServer({ exports: exportsOf(), listen: address })).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
    socket.destroy();
    await server.close();
  });
});

describe('the end', () => {
  test('requests under way are answered, then every connection ends', async () => {
    const slow = Promise.withResolvers<void>();
    let reads = 0;
    const served = await serve(
      exportsOf({
        read: (_offset, target) => {
          reads += 1;
          return slow.promise.then(() => void target.fill(7));
        },
      }),
    );
    const busy = await enter(served.path);
    const idle = await enter(served.path);
    const choosing = await connectRaw(served.path);
    await choosing.bytes(18);
    busy.send(request({ type: READ, length: 5 }));
    await until(() => reads === 1);
    let closed = false;
    const closing = served.server.close().then(() => {
      closed = true;
    });
    await idle.ended();
    await choosing.ended();
    expect(closed).toBe(false);
    slow.resolve();
    expect((await busy.hex(21)).slice(32)).toBe('0707070707');
    await busy.ended();
    await closing;
    expect(served.server.connections).toBe(0);
    await served.close();
  });

  test('a client that does not take its replies is not waited for', async () => {
    const served = await serve(exportsOf(), { closeMilliseconds: 100 });
    const client = await enter(served.path);
    client.socket.pause();
    for (let count = 0; count < 8; count += 1) client.send(request({ type: READ, length: 4 * 1024 * 1024 }));
    await until(() => client.socket.bytesWritten > 8 * 28);
    await served.close();
    client.close();
  });
});

describe('limits', () => {
  const MIB = 1024 * 1024;

  /** Bytes the server reads from its device for a client that sends 60 requests of 1 MiB and takes no reply. */
  const readAhead = async (bytes: number, enough: number): Promise<number> => {
    let asked = 0;
    const read = async (_offset: number, target: Uint8Array): Promise<void> => {
      asked += target.length;
    };
    const served = await serve(exportsOf({ read }), { bytes, closeMilliseconds: 100 });
    const client = await enter(served.path);
    client.socket.pause();
    for (let count = 0; count < 60; count += 1) client.send(request({ type: READ, length: MIB }));
    await until(() => asked >= enough);
    for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    const held = asked;
    client.socket.resume();
    for (let count = 0; count < 60; count += 1) await client.bytes(16 + MIB);
    client.close();
    await served.close();
    return held;
  };

  test('a client that takes no replies can make the server hold its budget, not more', async () => {
    // What the kernel took in between is not held by the server.
    expect(await readAhead(8 * MIB, 7 * MIB)).toBeLessThan(24 * MIB);
    // The control: with a large budget it is all.
    expect(await readAhead(1024 * MIB, 60 * MIB)).toBe(60 * MIB);
  });

  test('requests wait for their turn, also one that is larger than the budget', async () => {
    let running = 0;
    let most = 0;
    const served = await serve(
      exportsOf({
        write: async () => {
          running += 1;
          most = Math.max(most, running);
          await new Promise((resolve) => setTimeout(resolve, 1));
          running -= 1;
        },
      }),
      { requests: 4, bytes: 1_000_000 },
    );
    const client = await enter(served.path);
    for (let count = 0; count < 20; count += 1) client.send(request({ type: WRITE, length: 1000 }, Buffer.alloc(1000)));
    client.send(request({ type: WRITE, length: 5_000_000 }, Buffer.alloc(5_000_000)));
    for (let count = 0; count < 21; count += 1) expect((await client.hex(16)).slice(8, 16)).toBe('00000000');
    expect(most).toBe(4);
    client.close();
    await served.close();
  });

  test('more connections than allowed are closed at once', async () => {
    const served = await serve(exportsOf(), { connections: 2 });
    const clients = [await enter(served.path), await enter(served.path)];
    const third = net.connect(served.path);
    third.resume();
    await once(third, 'close');
    clients[0]!.close();
    await until(() => served.server.connections === 1);
    const next = await enter(served.path);
    for (const client of [...clients, next]) client.close();
    await served.close();
  });

  test('a client that does not choose an export is sent away', async () => {
    const served = await serve(exportsOf(), { handshakeMilliseconds: 500 });
    const silent = await connectRaw(served.path);
    await silent.bytes(18);
    const slow = await connectRaw(served.path);
    await slow.bytes(18);
    slow.send(FIXED_NO_ZEROES, option(7).subarray(0, 10));
    await Promise.all([silent.ended(), slow.ended()]);
    // One that has chosen may be silent for as long as it likes.
    const chosen = await enter(served.path);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    chosen.send(request({ type: READ, length: 1 }));
    await chosen.bytes(17);
    chosen.close();
    await served.close();
  });

  test('a client that asks for the list for ever without reading it holds little memory', async () => {
    const names = new Map(Array.from({ length: 1000 }, (_, index) => [`export ${index}`, { device: createMemoryDevice(1) }]));
    const served = await serve(names, { handshakeMilliseconds: 60_000 });
    const client = await connectRaw(served.path);
    await client.bytes(18);
    client.socket.pause();
    client.send(FIXED_NO_ZEROES);
    const before = process.memoryUsage().rss;
    const asking = Buffer.concat(Array.from({ length: 20_000 }, () => option(3)));
    client.send(asking);
    for (let turn = 0; turn < 500; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    // All the answers would be 700 MB.
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
    client.close();
    await served.close();
  });
});

describe('hostile clients', () => {
  test('whatever comes, in the handshake or later, the server serves the next client', async () => {
    const limits = { handshakeMilliseconds: 2000, closeMilliseconds: 1000 };
    const served = await serve(exportsOf(), limits, { host: '127.0.0.1', port: 0 });
    const { address } = served.server;
    const command = fc.record({
      flags: fc.constantFrom(0, 1, 2, 4, 8, 0xffff),
      type: fc.oneof(fc.nat(9), fc.nat(65_535)),
      offset: fc.oneof(fc.nat(SIZE), fc.constantFrom(SIZE, 2 ** 40, 2 ** 53 - 1)),
      length: fc.oneof(fc.nat(5000), fc.nat(2 ** 32 - 1)),
    });
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.tuple(fc.oneof(fc.nat(12), fc.nat(2 ** 32 - 1)), fc.uint8Array({ maxLength: 60 })).map(([number, data]) => option(number, data)),
      command.map((fields) => request(fields)),
      command.map((fields) => request({ ...fields, type: WRITE, length: fields.length % 5000 }, Buffer.alloc(fields.length % 5000))),
    );
    const end = fc.constantFrom('destroy', 'end', 'reset');
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(piece, { maxLength: 12 }), end, async (inside, pieces, how) => {
        const client = inside ? await enter(address, '', 'contexts') : await connectRaw(address);
        if (!inside) client.send(FIXED_NO_ZEROES);
        client.socket.resume();
        for (const bytes of pieces) client.send(bytes);
        await new Promise((resolve) => setImmediate(resolve));
        if (how === 'destroy') client.close();
        else if (how === 'reset') client.socket.resetAndDestroy();
        else client.socket.end();
        const good = await enter(address);
        good.send(request({ type: READ, offset: 5, length: 3 }));
        await good.bytes(19);
        good.close();
      }),
      { numRuns: 300 },
    );
    await until(() => served.server.connections === 0);
    for (const { error } of served.errors) expect(error.code).toBe('PROTOCOL_VIOLATION');
    await served.close();
  });

  test('a client that leaves in the middle leaves nothing behind', async () => {
    const slow = Promise.withResolvers<void>();
    let started = 0;
    const served = await serve(
      exportsOf({
        write: async () => {
          started += 1;
          await slow.promise;
        },
      }),
    );
    const inHeader = await enter(served.path);
    inHeader.send(request({ type: READ, length: 1 }).subarray(0, 20));
    const inData = await enter(served.path);
    inData.send(request({ type: WRITE, length: 1_000_000 }, randomBytes(300_000)));
    const inRequest = await enter(served.path);
    inRequest.send(request({ type: WRITE, length: 100 }, randomBytes(100)));
    await until(() => started === 1);
    for (const client of [inHeader, inData, inRequest]) client.close();
    await until(() => served.server.connections === 1);
    slow.resolve();
    await until(() => served.server.connections === 0);
    expect(started).toBe(1);
    await served.close();
  });

  test('a client that closes its half after the last request gets its replies', async () => {
    const served = await serve(exportsOf());
    const client = await enter(served.path);
    for (let count = 0; count < 50; count += 1) client.send(request({ type: READ, length: 10_000 }));
    client.socket.end();
    for (let count = 0; count < 50; count += 1) await client.bytes(10_016);
    await client.ended();
    await served.close();
  });
});
