import { isDeepStrictEqual } from 'node:util';
import zlib from 'node:zlib';
import { HoldfastError } from '@holdfast/errors';
import fc from 'fast-check';
import { digestBlocks } from './digest.ts';
import {
  createFrame,
  dataLengthOf,
  FRAME_EXTENT_LENGTH_LIMIT,
  type FrameExtent,
  frameSize,
  openFrame,
  parseFrame,
  serializeFrame,
} from './frame.ts';
import { BLOCK_SIZE } from './geometry.ts';

const extent: fc.Arbitrary<FrameExtent> = fc.record({
  offset: fc.nat(2 ** 30).map((block) => block * BLOCK_SIZE),
  length: fc.oneof(
    fc.integer({ min: 1, max: 4 }).map((blocks) => blocks * BLOCK_SIZE),
    fc.integer({ min: 1, max: BLOCK_SIZE }),
  ),
  kind: fc.constantFrom('data', 'zero', 'unreadable'),
});
const content = fc.tuple(fc.array(extent, { maxLength: 12 }), fc.nat(255), fc.boolean()).map(([extents, seed, noisy]) => ({
  extents,
  data: Uint8Array.from({ length: dataLengthOf(extents) }, (_, at) => (noisy ? (at * at * 31 + seed * 7 + (at >> 3)) % 256 : seed)),
}));
const codec = fc.constantFrom('raw', 'lz4', 'zstd');

const sample = async (): Promise<{ bytes: Buffer; data: Buffer }> => {
  const extents: FrameExtent[] = [
    { offset: 8192, length: 8192, kind: 'data' },
    { offset: 1_048_576, length: FRAME_EXTENT_LENGTH_LIMIT, kind: 'zero' },
    { offset: 4096, length: 4096, kind: 'unreadable' },
    { offset: 40_960, length: 100, kind: 'data' },
  ];
  const data = Buffer.alloc(8292, 'some data that repeats itself ');
  return { bytes: serializeFrame(await createFrame(extents, data, 'lz4')), data };
};

test('a frame comes back as it was, in any codec', async () => {
  await fc.assert(
    fc.asyncProperty(content, codec, async ({ extents, data }, name) => {
      const frame = await createFrame(extents, data, name);
      const bytes = serializeFrame(frame);
      expect(bytes).toHaveLength(frameSize(frame));
      const parsed = parseFrame(bytes);
      expect(parsed.extents).toEqual(extents);
      expect(parsed.dataLength).toBe(data.length);
      expect(Buffer.compare(await openFrame(parsed), data)).toBe(0);
    }),
  );
});

test('the layout is the documented one, byte by byte', async () => {
  const { bytes, data } = await sample();
  expect(bytes.subarray(0, 8).toString('hex')).toBe('0101040064200000');
  const payload = bytes.subarray(16 + 4 * 16 + 3 * 16);
  expect(bytes.readUInt32LE(8)).toBe(payload.length);
  expect(bytes.readUInt32LE(12)).toBe(zlib.crc32(bytes.subarray(16), zlib.crc32(bytes.subarray(0, 12))));
  expect(bytes.subarray(16, 32).toString('hex')).toBe('00200000000000000020000000000000');
  expect(bytes.subarray(32, 48).toString('hex')).toBe('00001000000000000000004001000000');
  expect(bytes.subarray(48, 64).toString('hex')).toBe('00100000000000000010000002000000');
  expect(bytes.subarray(64, 80).toString('hex')).toBe('00a00000000000006400000000000000');
  expect(
    Buffer.compare(bytes.subarray(80, 128), Buffer.concat([digestBlocks(data.subarray(0, 8192)), digestBlocks(data.subarray(8192))])),
  ).toBe(0);
});

interface Opened {
  readonly extents: readonly FrameExtent[];
  readonly data: Uint8Array;
}

/** Where which data goes, or the code of the error; anything that isn't ours is thrown on. */
const read = async (bytes: Uint8Array): Promise<Opened | string> => {
  try {
    const frame = parseFrame(bytes);
    return { extents: frame.extents, data: await openFrame(frame) };
  } catch (reason) {
    if (reason instanceof HoldfastError) return reason.code;
    throw reason;
  }
};

test('hostile bytes end in DAMAGED, quickly', async () => {
  const { bytes } = await sample();
  const changed = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }).map((changes) => {
    const copy = Buffer.from(bytes);
    for (const [at, value] of changes) copy[at] = value;
    return copy;
  });
  const cut = fc.nat(bytes.length - 1).map((length) => bytes.subarray(0, length));
  const grown = fc.uint8Array({ minLength: 1, maxLength: 50 }).map((more) => Buffer.concat([bytes, more]));
  const invented = fc.tuple(fc.nat(70_000), fc.uint8Array({ maxLength: 2000 })).map(([count, body]) => {
    const header = Buffer.alloc(16);
    header.writeUInt8(1, 0);
    header.writeUInt16LE(count % 65_536, 2);
    return Buffer.concat([header, body]);
  });
  await fc.assert(
    fc.asyncProperty(fc.oneof(changed, cut, grown, invented, fc.uint8Array({ maxLength: 300 })), async (hostile) => {
      const result = await read(hostile);
      if (typeof result === 'string') expect(result).toBe('DAMAGED');
    }),
    { numRuns: 2000 },
  );
});

/** Reads the frame with each of its bits flipped in turn; how often wrong data, or data in a wrong place, comes out. */
const wrongReads = async (reader: (bytes: Uint8Array) => Promise<Opened | string>): Promise<number> => {
  const { bytes } = await sample();
  const right = await read(bytes);
  let wrong = 0;
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    const result = await reader(flipped);
    if (typeof result !== 'string' && !isDeepStrictEqual(result, right)) wrong += 1;
  }
  return wrong;
};

test('no flipped bit gives wrong data or puts it in a wrong place', async () => {
  expect(await wrongReads(read)).toBe(0);
});

test('the digests stop wrong data that has a right checksum', async () => {
  // Whoever damages the data and mends the checksum gets past the checksum.
  const mended = (bytes: Uint8Array): Buffer => {
    const copy = Buffer.from(bytes);
    copy.writeUInt32LE(zlib.crc32(copy.subarray(16), zlib.crc32(copy.subarray(0, 12))), 12);
    return copy;
  };
  const payloadOnly = (bytes: Uint8Array): Uint8Array => {
    const { bytes: right } = good;
    return Buffer.concat([right.subarray(0, 128), bytes.subarray(128)]);
  };
  const good = await sample();
  expect(await wrongReads((bytes) => read(mended(payloadOnly(bytes))))).toBe(0);
  const withoutDigests = async (bytes: Uint8Array): Promise<Opened | string> => {
    try {
      const frame = parseFrame(mended(payloadOnly(bytes)));
      const data = await openFrame({ ...frame, extents: [{ offset: 0, length: 0, kind: 'data' }] });
      return { extents: frame.extents, data };
    } catch {
      return 'refused';
    }
  };
  expect(await wrongReads(withoutDigests)).toBeGreaterThan(0);
});
