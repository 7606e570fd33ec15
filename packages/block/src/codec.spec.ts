import { randomBytes } from 'node:crypto';
import zlib from 'node:zlib';
import { isHoldfastError } from '@holdfast/errors';
import fc from 'fast-check';
import { CODEC, decode, encode } from './codec.ts';

const text = Buffer.from('a disk full of words '.repeat(3000));

const outcome = (codec: number, bytes: Uint8Array, length: number): Promise<Uint8Array | string> =>
  decode({ codec, bytes }, length).catch((reason: unknown) => (isHoldfastError(reason) ? reason.code : `not ours: ${reason}`));

test.each(['raw', 'lz4', 'zstd'] as const)('%s gives back what it was given', async (codec) => {
  const data = fc.oneof(
    fc.uint8Array({ maxLength: 5000 }),
    fc.tuple(fc.nat(255), fc.nat(300_000)).map(([byte, n]) => new Uint8Array(n).fill(byte)),
  );
  await fc.assert(
    fc.asyncProperty(data, async (bytes) => {
      const encoded = await encode(bytes, codec);
      expect(encoded.bytes.length).toBeLessThanOrEqual(bytes.length);
      expect(Buffer.compare(await decode(encoded, bytes.length), bytes)).toBe(0);
    }),
  );
});

test('what does not shrink is kept as it is, uncopied', async () => {
  const noise = randomBytes(10_000);
  for (const codec of ['lz4', 'zstd'] as const) {
    expect(await encode(noise, codec)).toEqual({ codec: CODEC.raw, bytes: noise });
    expect((await encode(noise, codec)).bytes).toBe(noise);
    const small = await encode(text, codec);
    expect(small.codec).toBe(CODEC[codec]);
    expect(small.bytes.length).toBeLessThan(text.length / 20);
  }
});

test('a view into a larger buffer is read within its bounds', async () => {
  const view = Buffer.concat([Buffer.alloc(100, 1), text, Buffer.alloc(100, 2)]).subarray(100, 100 + text.length);
  const encoded = await encode(view, 'lz4');
  const shifted = Buffer.concat([Buffer.alloc(7), encoded.bytes, Buffer.alloc(7)]).subarray(7, 7 + encoded.bytes.length);
  expect(Buffer.compare(await decode({ codec: CODEC.lz4, bytes: shifted }, text.length), text)).toBe(0);
});

test('hostile bytes end in DAMAGED or in as many bytes as were announced', async () => {
  const seeds = await Promise.all((['lz4', 'zstd'] as const).map((codec) => encode(text, codec)));
  const change = fc.array(fc.tuple(fc.nat(10_000), fc.nat(255)), { maxLength: 4 });
  const bytes = fc.oneof(
    fc.tuple(fc.constantFrom(...seeds), change).map(([seed, changes]) => {
      const copy = Buffer.from(seed.bytes);
      for (const [at, value] of changes) copy[at % copy.length] = value;
      return copy;
    }),
    fc.uint8Array({ maxLength: 200 }).map((body) => Buffer.concat([lengthPrefix(text.length), body])),
    fc.uint8Array({ maxLength: 200 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.nat(4), bytes, async (codec, hostile) => {
      const result = await outcome(codec, hostile, text.length);
      if (typeof result === 'string') expect(result).toBe('DAMAGED');
      else expect(result).toHaveLength(text.length);
    }),
    { numRuns: 1000 },
  );
});

test('no more memory is taken than was announced', async () => {
  const bombs: [number, Uint8Array][] = [
    // The decoder would allocate what the prefix says before it looks at the rest.
    [CODEC.lz4, Buffer.concat([lengthPrefix(0xffff_ffff), Buffer.from([0x10, 0x41])])],
    // 25 MB of run length behind an honest prefix.
    [CODEC.lz4, Buffer.concat([lengthPrefix(4096), Buffer.from([0x1f, 0x41, 1, 0]), Buffer.alloc(100_000, 255), Buffer.from([0])])],
    [CODEC.zstd, zlib.zstdCompressSync(Buffer.alloc(512 * 1024 * 1024))],
  ];
  for (const [codec, bomb] of bombs) {
    const before = process.resourceUsage().maxRSS;
    expect(await outcome(codec, bomb, 4096)).toBe('DAMAGED');
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(100_000);
  }
});

const lengthPrefix = (length: number): Buffer => {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32LE(length);
  return prefix;
};

// What the library allocates is freed in turns of the event loop only.
test('who compresses and decompresses alone, and waits for nothing else, lets the event loop turn', async () => {
  const data = Buffer.alloc(256 * 1024, 'any of it ');
  let turns = 0;
  const count = (): void => {
    turns += 1;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  try {
    const encoded = await encode(data, 'lz4', { alone: true });
    for (let i = 0; i < 40; i += 1) await encode(data, 'lz4', { alone: true });
    expect(turns).toBeGreaterThan(5);
    turns = 0;
    for (let i = 0; i < 40; i += 1) await decode(encoded, data.length, { alone: true });
    expect(turns).toBeGreaterThan(5);
  } finally {
    clearImmediate(timer);
  }
});
