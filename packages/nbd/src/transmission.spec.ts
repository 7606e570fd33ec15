import { createMemoryDevice } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import type { NbdExport } from './exports.ts';
import { enter, hex32, hex64, type RawClient, request } from './testing/raw-client.ts';
import { changed, closeServers, type Served, serve } from './testing/served.ts';

const SIZE = 1024 * 1024;
const COOKIE = 'aabbccdd00000001';
const [READ, WRITE, DISC, FLUSH, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const [FUA, NO_HOLE, DF, REQ_ONE, FAST_ZERO] = [1, 2, 4, 8, 16] as const;
const [EPERM, EIO, EINVAL, ENOSPC, ESHUTDOWN] = [1, 5, 22, 28, 108] as const;

const memory = createMemoryDevice;
let device: ReturnType<typeof memory>;
let calls: string[];
let fail: HoldfastError | Error | undefined;
let served: Served;
let client: RawClient;

beforeEach(async () => {
  device = memory(SIZE);
  calls = [];
  fail = undefined;
  const note = <T extends unknown[]>(name: string, call: (...parameters: T) => Promise<void>) => {
    return async (...parameters: T): Promise<void> => {
      calls.push(`${name} ${parameters.map((one) => (one instanceof Uint8Array ? one.length : one)).join(' ')}`.trim());
      if (fail !== undefined) throw fail;
      await call(...parameters);
    };
  };
  const noted = changed(device, {
    read: note('read', (offset: number, target: Uint8Array) => device.read(offset, target)),
    write: note('write', (offset: number, data: Uint8Array) => device.write(offset, data)),
    zero: note('zero', (offset: number, length: number) => device.zero(offset, length)),
    flush: note('flush', () => device.flush()),
  });
  const exports = new Map<string, NbdExport>([
    ['', { device: noted }],
    ['ro', { device: noted, readOnly: true }],
  ]);
  served = await serve(exports);
});
afterEach(async () => {
  client.close();
  await closeServers();
});

const simple = (errno = 0): string => `67446698${hex32(errno)}${COOKIE}`;
const chunk = (type: number, payload = ''): string => `668e33ef0001${hex32(type).slice(4)}${COOKIE}${hex32(payload.length / 2)}${payload}`;

const expectReply = async (reply: string): Promise<void> => {
  expect(await client.hex(reply.length / 2)).toBe(reply);
};

/** The error number of a structured error reply, whose message must say something. */
const expectError = async (errno: number): Promise<string> => {
  const head = await client.hex(20);
  expect(head.slice(0, 32)).toBe(`668e33ef00018001${COOKIE}`);
  const payload = await client.bytes(Number.parseInt(head.slice(32), 16));
  expect(payload.readUInt32BE(0)).toBe(errno);
  expect(payload.readUInt16BE(4)).toBe(payload.length - 6);
  expect(payload.length).toBeGreaterThan(10);
  return payload.toString('utf8', 6);
};

const data = Buffer.from('content of a block, or a part of it');

test('every command, with simple replies', async () => {
  client = await enter(served.path);
  client.send(request({ type: WRITE, offset: 1000, length: data.length }, data));
  await expectReply(simple());
  client.send(request({ type: READ, offset: 998, length: data.length + 4 }));
  await expectReply(`${simple()}0000${data.toString('hex')}0000`);
  client.send(request({ type: FLUSH }));
  await expectReply(simple());
  client.send(request({ type: CACHE, offset: 0, length: SIZE }));
  await expectReply(simple());
  client.send(request({ type: TRIM, offset: 1000, length: 3 }));
  await expectReply(simple());
  client.send(request({ type: WRITE_ZEROES, offset: 1003, length: 3 }));
  await expectReply(simple());
  client.send(request({ type: WRITE_ZEROES, flags: NO_HOLE, offset: 1006, length: 3 }));
  await expectReply(simple());
  client.send(request({ type: READ, offset: 1000, length: data.length }));
  await expectReply(`${simple()}${'00'.repeat(9)}${data.subarray(9).toString('hex')}`);
  expect(calls).toEqual([
    'write 1000 35',
    'read 998 39',
    'flush',
    'read 0 1048576',
    'zero 1000 3',
    'zero 1003 3',
    'write 1006 3',
    'read 1000 35',
  ]);
  client.send(request({ type: DISC }));
  await client.ended();
});

test('every command, with structured replies', async () => {
  client = await enter(served.path, '', 'contexts');
  client.send(request({ type: WRITE, offset: 65_536, length: data.length }, data));
  await expectReply(chunk(0));
  for (const flags of [0, DF]) {
    client.send(request({ type: READ, flags, offset: 65_536, length: data.length }));
    await expectReply(chunk(1, hex64(65_536) + data.toString('hex')));
  }
  client.send(request({ type: BLOCK_STATUS, offset: 100, length: 200_000 }));
  const [hole, used] = [hex32(3), hex32(0)];
  await expectReply(chunk(5, hex32(1) + hex32(65_436) + hole + hex32(65_536) + used + hex32(69_028) + hole));
  client.send(request({ type: BLOCK_STATUS, flags: REQ_ONE, offset: 65_537, length: 200_000 }));
  await expectReply(chunk(5, hex32(1) + hex32(65_535) + used));
  client.send(request({ type: READ, offset: 5, length: 0 }));
  await expectReply(chunk(0));
});

test('FUA makes what it goes with durable before the answer', async () => {
  client = await enter(served.path);
  client.send(request({ type: WRITE, flags: FUA, offset: 0, length: data.length }, data));
  await expectReply(simple());
  client.send(request({ type: TRIM, flags: FUA, offset: 0, length: 5 }));
  await expectReply(simple());
  client.send(request({ type: WRITE_ZEROES, flags: FUA | NO_HOLE, offset: 0, length: 5 }));
  await expectReply(simple());
  expect(calls).toEqual(['write 0 35', 'flush', 'zero 0 5', 'flush', 'write 0 5', 'flush']);
  // Clients are known to set it where it means nothing.
  client.send(request({ type: READ, flags: FUA, offset: 5, length: 2 }));
  await expectReply(simple() + data.subarray(5, 7).toString('hex'));
});

test.each([
  ['a read past the end', { type: READ, offset: SIZE - 9, length: 10 }, EINVAL],
  ['a read far past the end', { type: READ, offset: 2 ** 62, length: 10 }, EINVAL],
  ['a write past the end', { type: WRITE, offset: SIZE - 9, length: 10 }, ENOSPC],
  ['zeroes past the end', { type: WRITE_ZEROES, offset: SIZE, length: 1 }, ENOSPC],
  ['a trim past the end', { type: TRIM, offset: 0, length: SIZE + 1 }, EINVAL],
  ['block status past the end', { type: BLOCK_STATUS, offset: 0, length: SIZE + 1 }, EINVAL],
  ['block status of nothing', { type: BLOCK_STATUS, offset: 0, length: 0 }, EINVAL],
  ['a read too large', { type: READ, offset: 0, length: 32 * 1024 * 1024 + 1 }, EINVAL],
  ['a write too large', { type: WRITE, offset: 0, length: 32 * 1024 * 1024 + 1 }, EINVAL],
  ['an unknown command', { type: 8, offset: 0, length: 10 }, EINVAL],
  ['another unknown command', { type: 65_535, offset: 0, length: 10 }, EINVAL],
  ['an unknown flag', { type: READ, flags: 0x8000, offset: 0, length: 10 }, EINVAL],
  ['a flag of another command', { type: READ, flags: NO_HOLE, offset: 0, length: 10 }, EINVAL],
  ['a fast zero nobody offered', { type: WRITE_ZEROES, flags: FAST_ZERO, offset: 0, length: 10 }, EINVAL],
  ['a flush of a range', { type: FLUSH, offset: 0, length: 10 }, EINVAL],
] as const)('%s is refused, and the connection goes on', async (_, fields, errno) => {
  client = await enter(served.path, '', 'contexts');
  const payload = Buffer.alloc(fields.type === WRITE ? fields.length : 0, 1);
  client.send(request(fields, payload));
  await expectError(errno);
  client.send(request({ type: READ, offset: SIZE - 2, length: 2 }));
  await expectReply(chunk(1, `${hex64(SIZE - 2)}0000`));
  expect(calls).toEqual([`read ${SIZE - 2} 2`]);
  expect(served.errors).toEqual([]);
});

test('what was not agreed on is refused: DF and block status', async () => {
  client = await enter(served.path);
  client.send(request({ type: READ, flags: DF, offset: 0, length: 10 }));
  await expectReply(simple(EINVAL));
  client.send(request({ type: BLOCK_STATUS, offset: 0, length: 10 }));
  await expectReply(simple(EINVAL));
});

test('a read-only export refuses every change and takes the data of the write off the wire', async () => {
  client = await enter(served.path, 'ro', 'structured');
  client.send(request({ type: WRITE, offset: 0, length: data.length }, data));
  await expectError(EPERM);
  client.send(request({ type: TRIM, offset: 0, length: 10 }));
  await expectError(EPERM);
  client.send(request({ type: WRITE_ZEROES, offset: 0, length: 10 }));
  await expectError(EPERM);
  client.send(request({ type: READ, offset: 0, length: 1 }));
  await expectReply(chunk(1, `${hex64(0)}00`));
});

test.each([
  ['IO_FAILED', EIO],
  ['DAMAGED', EIO],
  ['UNREADABLE_EXTENT', EIO],
  ['NO_SPACE', ENOSPC],
  ['NO_PERMISSION', EPERM],
  ['RANGE_INVALID', EINVAL],
  ['DEVICE_CLOSED', ESHUTDOWN],
] as const)('the error %s of a device reaches the client as %d, in words where it can, and the log', async (code, errno) => {
  fail = new HoldfastError(code, { thing: 'disk 7', why: 'a test wants it', remedy: 'end the test' });
  client = await enter(served.path, '', 'structured');
  client.send(request({ type: WRITE, offset: 4096, length: data.length }, data));
  expect(await expectError(errno)).toBe(fail.message);
  client.send(request({ type: READ, offset: 0, length: 10 }));
  await expectError(errno);
  client.close();
  client = await enter(served.path);
  client.send(request({ type: FLUSH }));
  await expectReply(simple(errno));
  expect(served.errors.map(({ error, context }) => [error.code, context.export, context.request])).toEqual([
    [code, '', 'write of 35 bytes at 4096'],
    [code, '', 'read of 10 bytes at 0'],
    [code, '', 'flush of 0 bytes at 0'],
  ]);
});

test('an error that is not ours is answered like any other', async () => {
  fail = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  client = await enter(served.path);
  client.send(request({ type: WRITE, offset: 0, length: data.length }, data));
  await expectReply(simple(ENOSPC));
  fail = new TypeError('a defect');
  client.send(request({ type: READ, offset: 0, length: 1 }));
  await expectReply(simple(EIO));
});

test('replies come as they are ready; a slow request holds up nobody', async () => {
  const slow = Promise.withResolvers<void>();
  const two = await serve(
    new Map([['', { device: changed(memory(SIZE), { read: (offset) => (offset === 0 ? slow.promise : Promise.resolve()) }) }]]),
  );
  client = await enter(two.path);
  client.send(request({ type: READ, length: 1, cookie: { high: 1, low: 1 } }));
  client.send(request({ type: READ, offset: 1, length: 1, cookie: { high: 2, low: 2 } }));
  expect((await client.hex(17)).slice(16, 32)).toBe('0000000200000002');
  slow.resolve();
  expect((await client.hex(17)).slice(16, 32)).toBe('0000000100000001');
  client.close();
  await two.close();
});

test('requests in pieces and in heaps are the same requests', async () => {
  client = await enter(served.path);
  const requests = Array.from({ length: 200 }, (_, index) =>
    request({ type: WRITE, offset: index * 100, length: 100, cookie: { high: 0, low: index } }, Buffer.alloc(100, index + 1)),
  );
  const all = Buffer.concat(requests);
  for (let at = 0; at < 3000; at += 7) {
    client.socket.write(all.subarray(at, Math.min(at + 7, 3000)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  client.send(all.subarray(3000));
  const cookies = new Set<number>();
  for (let count = 0; count < 200; count += 1) {
    const reply = await client.bytes(16);
    expect(reply.readUInt32BE(4)).toBe(0);
    cookies.add(reply.readUInt32BE(12));
  }
  expect(cookies.size).toBe(200);
  const found = Buffer.alloc(20_000);
  await device.read(0, found);
  expect(found.equals(Buffer.concat(Array.from({ length: 200 }, (_, index) => Buffer.alloc(100, index + 1))))).toBe(true);
});

test('something that is no request ends the connection', async () => {
  client = await enter(served.path);
  client.send(Buffer.alloc(28, 0x25));
  await client.ended();
  expect(served.errors.map(({ error }) => error.code)).toEqual(['PROTOCOL_VIOLATION']);
});
