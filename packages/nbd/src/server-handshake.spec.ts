import { createMemoryDevice } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import type { NbdExport } from './exports.ts';
import { connectRaw, FIXED_NO_ZEROES, GREETING, hex32, hex64, option, optionReply, type RawClient } from './testing/raw-client.ts';
import { closeServers, type Served, serve } from './testing/served.ts';

const SIZE = 1024 * 1024;
const hex = (text: string): string => Buffer.from(text).toString('hex');
const name = (text: string): Buffer => Buffer.concat([Buffer.from(hex32(text.length), 'hex'), Buffer.from(text)]);
const query = (text: string, ...wanted: number[]): Buffer =>
  Buffer.concat([name(text), Buffer.from([0, wanted.length, ...wanted.flatMap((one) => [0, one])])]);
const contexts = (text: string, ...wanted: string[]): Buffer =>
  Buffer.concat([name(text), Buffer.from(hex32(wanted.length), 'hex'), ...wanted.map(name)]);

const ACK = 1;
const UNSUP = 0x80000001;
const INVALID = 0x80000003;
const UNKNOWN = 0x80000006;
const TOO_BIG = 0x80000009;

/** has flags, flush, FUA, trim, write zeroes, multi-conn, cache */
const FLAGS = 0x056d;
const DF = 0x80;
const NO_SUCH_EXPORT = hex('there is no such export');

let served: Served;
let client: RawClient;

beforeEach(async () => {
  const exports = new Map<string, NbdExport>([
    ['', { device: createMemoryDevice(SIZE) }],
    ['disk', { device: createMemoryDevice(2 * SIZE), description: 'The disk', readOnly: true }],
  ]);
  served = await serve({
    keys: () => exports.keys(),
    get: (key) => {
      if (key === 'plain') return { device: createMemoryDevice(SIZE), describesAllocation: false };
      if (key === 'broken') throw new HoldfastError('VAULT_KEY_WRONG', { thing: 'vault', why: 'wrong', remedy: 'use another' });
      return exports.get(key);
    },
  });
  client = await connectRaw(served.path);
});
afterEach(async () => {
  client.close();
  await closeServers();
});

const greet = async (): Promise<void> => {
  expect(await client.hex(18)).toBe(GREETING);
  client.send(FIXED_NO_ZEROES);
};

const expectReply = async (...replies: string[]): Promise<void> => {
  const all = replies.join('');
  expect(await client.hex(all.length / 2)).toBe(all);
};

test('NBD_OPT_EXPORT_NAME, as the oldest clients send it', async () => {
  expect(await client.hex(18)).toBe(GREETING);
  client.send('00000000', option(1));
  expect(await client.hex(10 + 124)).toBe(`${hex64(SIZE)}056d${'00'.repeat(124)}`);
});

test('NBD_OPT_EXPORT_NAME without the zeroes, and of a name that is not there', async () => {
  await greet();
  client.send(option(1, 'disk'));
  // Read-only: no trim, no write zeroes.
  expect(await client.hex(10)).toBe(`${hex64(2 * SIZE)}050f`);
  client.close();
  client = await connectRaw(served.path);
  await greet();
  client.send(option(1, 'none'));
  await client.ended();
  expect(served.errors.map(({ error }) => error.message)).toEqual([expect.stringMatching(/^\[PROTOCOL_VIOLATION\].*"none"/)]);
});

test('NBD_OPT_LIST names the exports and takes no data', async () => {
  await greet();
  client.send(option(3));
  await expectReply(optionReply(3, 2, hex32(0)), optionReply(3, 2, hex32(4) + hex('disk')), optionReply(3, ACK));
  client.send(option(3, 'x'));
  await expectReply(optionReply(3, INVALID));
});

test('NBD_OPT_INFO and NBD_OPT_GO give size, flags and block sizes, and what else was asked for', async () => {
  const sizes = `0003${hex32(1)}${hex32(4096)}${hex32(32 * 1024 * 1024)}`;
  await greet();
  client.send(option(6, query('')));
  await expectReply(optionReply(6, 3, `0000${hex64(SIZE)}${hex32(FLAGS).slice(4)}`), optionReply(6, 3, sizes), optionReply(6, ACK));
  client.send(option(8));
  await expectReply(optionReply(8, ACK));
  client.send(option(7, query('disk', 1, 2, 3, 99)));
  await expectReply(
    optionReply(7, 3, `0000${hex64(2 * SIZE)}${hex32(0x050f | DF).slice(4)}`),
    optionReply(7, 3, `0001${hex('disk')}`),
    optionReply(7, 3, `0002${hex('The disk')}`),
    optionReply(7, 3, sizes),
    optionReply(7, ACK),
  );
});

test('a name that is not there, or can not be opened, is refused and the client may go on', async () => {
  await greet();
  client.send(option(7, query('none')));
  await expectReply(optionReply(7, UNKNOWN, NO_SUCH_EXPORT));
  client.send(option(6, query('broken')));
  await expectReply(optionReply(6, UNKNOWN, NO_SUCH_EXPORT));
  expect(served.errors.map(({ error }) => error.code)).toEqual(['VAULT_KEY_WRONG']);
  client.send(option(7, query('')));
  expect((await client.hex(20)).slice(24)).toBe('000000030000000c');
});

test('NBD_OPT_ABORT is answered and ends the connection', async () => {
  await greet();
  client.send(option(2, 'goodbye'));
  await expectReply(optionReply(2, ACK));
  await client.ended();
  expect(served.errors).toEqual([]);
});

test('TLS, extended headers and unknown options are refused as unsupported', async () => {
  await greet();
  for (const number of [5, 11, 4, 0, 12_345, 0xffffffff]) {
    client.send(option(number, 'data'));
    await expectReply(optionReply(number, UNSUP));
  }
});

test('metadata contexts: listed by wildcard, set by name, only after structured replies', async () => {
  const found = (option: number, id: number): string => optionReply(option, 4, hex32(id) + hex('base:allocation'));
  await greet();
  client.send(option(10, contexts('', 'base:allocation')));
  await expectReply(optionReply(10, INVALID));
  client.send(option(8));
  await expectReply(optionReply(8, ACK));
  for (const wanted of [[], ['base:'], ['base:allocation'], ['qemu:x', 'base:allocation']]) {
    client.send(option(9, contexts('', ...wanted)));
    await expectReply(found(9, 0), optionReply(9, ACK));
  }
  client.send(option(9, contexts('', 'qemu:', 'base:other')));
  await expectReply(optionReply(9, ACK));
  for (const wanted of [[], ['base:'], ['qemu:dirty-bitmap:x']]) {
    client.send(option(10, contexts('', ...wanted)));
    await expectReply(optionReply(10, ACK));
  }
  client.send(option(10, contexts('disk', 'base:allocation')));
  await expectReply(found(10, 1), optionReply(10, ACK));
  client.send(option(10, contexts('none', 'base:allocation')));
  await expectReply(optionReply(10, UNKNOWN, NO_SUCH_EXPORT));
});

test('an export that shall not be asked what holds data offers no such context', async () => {
  await greet();
  client.send(option(8));
  await expectReply(optionReply(8, ACK));
  for (const number of [9, 10]) {
    client.send(option(number, contexts('plain', 'base:allocation')));
    await expectReply(optionReply(number, ACK));
  }
});

test('malformed options are refused as invalid', async () => {
  await greet();
  for (const [number, data] of [
    [6, Buffer.alloc(3)],
    [7, Buffer.concat([query(''), Buffer.alloc(1)])],
    [7, Buffer.from('ffffffff0000', 'hex')],
    [8, Buffer.from('x')],
    [9, Buffer.alloc(7)],
    [10, Buffer.from('00000000ffffffff', 'hex')],
  ] as const) {
    client.send(option(number, data));
    await expectReply(optionReply(number, INVALID));
  }
});

test('an option that is too long is skipped and refused', async () => {
  await greet();
  client.send(option(9, Buffer.alloc(3_000_000)));
  await expectReply(optionReply(9, TOO_BIG, hex('an option may have 65536 bytes')));
  client.send(option(3));
  expect((await client.hex(20)).slice(24)).toBe('0000000200000004');
});

test.each([
  ['unknown client flags', ['00000004']],
  ['a wrong magic number', [FIXED_NO_ZEROES, Buffer.from('49484156454f5055'.padEnd(32, '0'), 'hex')]],
  ['an endless export name', [FIXED_NO_ZEROES, option(1, Buffer.alloc(100_000))]],
])('a client with %s is sent away', async (_, parts) => {
  await client.hex(18);
  client.send(...parts);
  await client.ended();
  expect(served.errors.map(({ error }) => error.code)).toEqual(['PROTOCOL_VIOLATION']);
});
