import { type BlockDevice, createMemoryDevice } from '@holdfast/block';
import { testBlockDevice } from '@holdfast/block/conformance';
import { HoldfastError } from '@holdfast/errors';
import fc from 'fast-check';
import { createNbdClient } from './client.ts';
import { createNbdServer, type NbdServer } from './server.ts';
import { hex32, hex64, optionReply } from './testing/raw-client.ts';
import { nextRequest, offer, type RawServer, sendHex, startRaw } from './testing/raw-server.ts';
import { changed, closeServers, serve } from './testing/served.ts';

const SIZE = 100_000;

const raw: RawServer[] = [];
const startServer = async (...parameters: Parameters<typeof startRaw>): Promise<RawServer> => {
  const server = await startRaw(...parameters);
  raw.push(server);
  return server;
};
afterEach(async () => {
  await closeServers();
  await Promise.all(raw.splice(0).map((server) => server.close()));
});

const served = async (content: Uint8Array, readOnly: boolean): Promise<BlockDevice> => {
  const device = createMemoryDevice(content.length);
  await device.write(0, content);
  const { server } = await serve(new Map([['disk', { device, readOnly }]]));
  return createNbdClient({ address: server.address, export: 'disk' });
};

testBlockDevice(
  'an NBD export',
  (content) => served(content, false),
  (content) => served(content, true),
);

test('long transfers go in pieces and arrive whole', async () => {
  const size = 9 * 1024 * 1024 + 77;
  const device = createMemoryDevice(size);
  const { server } = await serve(new Map([['', { device }]]));
  const client = await createNbdClient({ address: server.address });
  const data = Buffer.alloc(size, 'a few words to tell places apart ');
  await client.write(0, data);
  const there = Buffer.alloc(size);
  await device.read(0, there);
  expect(there.equals(data)).toBe(true);
  const back = Buffer.alloc(size);
  await client.read(0, back);
  expect(back.equals(data)).toBe(true);
  await client.close();
});

test('what the server says about an error arrives', async () => {
  const error = new HoldfastError('DAMAGED', { thing: 'vault object 7', why: 'a digest is wrong', remedy: 'repair it' });
  const device = changed(createMemoryDevice(SIZE), { read: () => Promise.reject(error) });
  const { server } = await serve(new Map([['', { device }]]));
  const client = await createNbdClient({ address: server.address });
  await expect(client.read(0, Buffer.alloc(1))).rejects.toMatchObject({ code: 'IO_FAILED', why: expect.stringContaining(error.message) });
  await client.write(0, Buffer.alloc(10));
  await client.close();
});

test('an export that is not there, a server that is not there', async () => {
  const { server } = await serve(new Map());
  await expect(createNbdClient({ address: server.address, export: 'none' })).rejects.toMatchObject({
    code: 'OBJECT_NOT_FOUND',
    why: expect.stringContaining('"none"'),
  });
  await expect(createNbdClient({ address: { path: '/nonexistent/socket' } })).rejects.toMatchObject({
    code: 'CONNECTION_LOST',
    why: expect.stringContaining('ENOENT'),
  });
});

test('a server that says nothing is given up at the deadline, before and after the handshake', async () => {
  const silent = await startServer(async () => {});
  await expect(createNbdClient({ address: silent.address, deadlineMilliseconds: 50 })).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  const mute = await startServer((socket, reader) => offer(socket, reader, SIZE));
  const client = await createNbdClient({ address: mute.address, deadlineMilliseconds: 500 });
  const calls = [client.read(0, Buffer.alloc(5)), client.write(0, Buffer.alloc(5)), client.flush()];
  for (const { status, reason } of (await Promise.allSettled(calls)) as PromiseRejectedResult[]) {
    expect([status, reason.code]).toEqual(['rejected', 'CONNECTION_LOST']);
  }
  await client.close();
});

test('a server without write zeroes gets zeroes; one without block status has everything allocated', async () => {
  const content = Buffer.alloc(SIZE, 1);
  const plain = await startServer(async (socket, reader) => {
    sendHex(socket, '4e42444d41474943', '49484156454f5054', '0003');
    await reader.skip(4);
    for (let option = 0; option !== 7; ) {
      const header = (await reader.read(16))!;
      option = header.readUInt32BE(8);
      await reader.skip(header.readUInt32BE(12));
      if (option === 7) sendHex(socket, optionReply(7, 3, `0000${hex64(SIZE)}0001`), optionReply(7, 1));
      else sendHex(socket, optionReply(option, 0x80000001));
    }
    for (;;) {
      const { type, cookieHex, offset, length } = await nextRequest(reader);
      sendHex(socket, `67446698${hex32(0)}${cookieHex}`);
      if (type === 1) await reader.fill(content.subarray(offset, offset + length));
      else if (type === 0) socket.write(content.subarray(offset, offset + length));
      else throw new Error('not offered');
    }
  });
  const client = await createNbdClient({ address: plain.address });
  await client.zero(10, 5000);
  const back = Buffer.alloc(SIZE);
  await client.read(0, back);
  expect(back.equals(Buffer.concat([Buffer.alloc(10, 1), Buffer.alloc(5000), Buffer.alloc(SIZE - 5010, 1)]))).toBe(true);
  expect(await client.allocated(5, 90)).toEqual([{ offset: 5, length: 90 }]);
  await client.flush();
  await client.close();
});

describe('a reply to a read is put together from its chunks', () => {
  const head = (cookie: string, type: number, length: number, done: boolean): string =>
    `668e33ef${done ? '0001' : '0000'}${hex32(type).slice(4)}${cookie}${hex32(length)}`;
  const data = (cookie: string, offset: number, bytes: string, done = false): string =>
    head(cookie, 1, 8 + bytes.length / 2, done) + hex64(offset) + bytes;
  const hole = (cookie: string, offset: number, length: number): string => head(cookie, 2, 12, false) + hex64(offset) + hex32(length);
  const end = (cookie: string): string => head(cookie, 0, 0, true);

  const answer = async (reply: (cookie: string) => string): Promise<{ code?: string; bytes: string }> => {
    const server = await startServer(async (socket, reader) => {
      await offer(socket, reader, SIZE);
      for (;;) sendHex(socket, reply((await nextRequest(reader)).cookieHex));
    });
    const client = await createNbdClient({ address: server.address });
    const target = Buffer.alloc(4, 0xee);
    const result = await client.read(100, target).then(
      () => ({ bytes: target.toString('hex') }),
      ({ code }: HoldfastError) => ({ code, bytes: '' }),
    );
    await client.close();
    return result;
  };

  test.each([
    ['one', (cookie: string) => data(cookie, 100, '01020304', true)],
    ['several, in any order', (cookie: string) => data(cookie, 103, '04') + data(cookie, 100, '010203') + end(cookie)],
  ])('%s', async (_, reply) => {
    expect(await answer(reply)).toEqual({ bytes: '01020304' });
  });

  test('with a hole', async () => {
    expect(await answer((cookie) => data(cookie, 100, '01') + hole(cookie, 101, 2) + data(cookie, 103, '04') + end(cookie))).toEqual({
      bytes: '01000004',
    });
  });

  test.each([
    ['misses a byte', (cookie: string) => data(cookie, 100, '010203', true)],
    ['has nothing', end],
    ['hides a missing byte behind one that comes twice', (cookie: string) => data(cookie, 100, '0102') + data(cookie, 101, '0203', true)],
    ['begins too early', (cookie: string) => data(cookie, 99, '0001020304', true)],
    ['ends too late', (cookie: string) => data(cookie, 100, '0102030405', true)],
    ['lies elsewhere', (cookie: string) => data(cookie, 2 ** 40, '01020304', true)],
    ['has a hole too large', (cookie: string) => hole(cookie, 100, 0xffff_ffff) + end(cookie)],
    ['has an empty chunk', (cookie: string) => head(cookie, 1, 8, true) + hex64(100)],
    ['has a chunk of unknown kind', (cookie: string) => head(cookie, 77, 0, true)],
    ['is endless', (cookie: string) => head(cookie, 5, 0xffff_fff0, true)],
    ['belongs to no request', () => data('0000000000123456', 100, '01020304', true)],
    ['is not structured', (cookie: string) => `67446698${hex32(0)}${cookie}01020304`],
    ['is no reply', () => '00'.repeat(40)],
  ])('one that %s is refused', async (_, reply) => {
    expect(await answer(reply)).toEqual({ code: 'CONNECTION_LOST', bytes: '' });
  });
});

test('a server that sends anything at all is survived', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 5 }), fc.nat(3), async (pieces, kind) => {
      const server = await startRaw(async (socket, reader) => {
        if (kind > 0) await offer(socket, reader, SIZE);
        for (const piece of pieces) {
          if (kind > 1) sendHex(socket, `668e33ef0001${hex32(piece.length % 9).slice(4)}${(await nextRequest(reader)).cookieHex}`);
          socket.write(piece);
        }
        socket.end();
      });
      const client = await createNbdClient({ address: server.address, deadlineMilliseconds: 1000 }).catch((reason: unknown) => reason);
      if (!(client instanceof Error)) {
        const device = client as BlockDevice;
        const calls = [device.read(0, Buffer.alloc(50)), device.allocated(0, 1000), device.write(0, Buffer.alloc(1)), device.flush()];
        for (const result of await Promise.allSettled(calls)) {
          if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(HoldfastError);
        }
        await device.close();
      } else expect(client).toBeInstanceOf(HoldfastError);
      await server.close();
    }),
    { numRuns: 200 },
  );
});

describe('a lost connection', () => {
  const content = Buffer.alloc(SIZE, 'content ');
  const start = async (path: string, size = SIZE): Promise<NbdServer> => {
    const device = createMemoryDevice(size);
    await device.write(0, content.subarray(0, size));
    return createNbdServer({ exports: new Map([['', { device }]]), listen: { path } });
  };
  let path: string;
  beforeEach(async () => {
    path = (await serve(new Map())).path.replace('nbd.sock', 'other.sock');
  });

  test('is made again for reads, if so told, while the server is away for a moment', async () => {
    const first = await start(path);
    const client = await createNbdClient({ address: { path }, reconnectMilliseconds: 20_000 });
    await first.close();
    const target = Buffer.alloc(SIZE);
    const reading = client.read(0, target);
    const second = await start(path);
    await reading;
    expect(target.equals(content)).toBe(true);
    await client.flush();
    await client.close();
    await second.close();
  });

  test('is an error otherwise', async () => {
    const first = await start(path);
    const client = await createNbdClient({ address: { path } });
    await first.close();
    await expect(client.read(0, Buffer.alloc(1))).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await client.close();
  });

  test('makes the next flush fail if a write had not been flushed', async () => {
    const first = await start(path);
    const client = await createNbdClient({ address: { path }, reconnectMilliseconds: 20_000 });
    await client.write(0, Buffer.alloc(10));
    await client.flush();
    await client.write(10, Buffer.alloc(10));
    await first.close();
    const second = await start(path);
    await expect(client.flush()).rejects.toMatchObject({ code: 'CONNECTION_LOST', why: expect.stringContaining('not been flushed') });
    await expect(client.flush()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await client.close();
    await second.close();
  });

  test('does not repeat a write', async () => {
    const writes: number[] = [];
    const server = await startServer(async (socket, reader, connection) => {
      await offer(socket, reader, SIZE);
      for (;;) {
        const { type, cookieHex, length, offset } = await nextRequest(reader);
        if (type === 1) {
          await reader.skip(length);
          writes.push(offset);
          if (connection === 1) socket.destroy();
        }
        sendHex(socket, `668e33ef00010000${cookieHex}00000000`);
      }
    });
    const client = await createNbdClient({ address: server.address, reconnectMilliseconds: 20_000 });
    await expect(client.write(100, Buffer.alloc(10))).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await client.write(200, Buffer.alloc(10));
    expect(writes).toEqual([100, 200]);
    expect(server.connections).toBe(2);
    await client.close();
  });

  test('is not made again to another disk', async () => {
    const first = await start(path);
    const client = await createNbdClient({ address: { path }, reconnectMilliseconds: 20_000 });
    await first.close();
    const second = await start(path, 5000);
    await expect(client.read(0, Buffer.alloc(1))).rejects.toMatchObject({ code: 'DEVICE_CHANGED' });
    await client.close();
    await second.close();
  });
});
