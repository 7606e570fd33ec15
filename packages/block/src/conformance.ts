import { isHoldfastError } from '@holdfast/errors';
import fc from 'fast-check';
import type { BlockDevice } from './block-device.ts';
import { BLOCK_SIZE } from './geometry.ts';

/** Makes a writable device that reads as `content`. */
export type MakeDevice = (content: Uint8Array) => Promise<BlockDevice>;

/** Several memory chunks and blocks, and a short last block. */
const SIZE = 40 * BLOCK_SIZE + 1234;
const RUNS = 40;

/** Runs every check of the `BlockDevice` contract as a jest test. `makeReadOnly` is for devices which can be opened so. */
export const testBlockDevice = (name: string, make: MakeDevice, makeReadOnly?: MakeDevice): void => {
  describe(`${name} as a block device`, () => {
    for (const [title, check] of Object.entries(deviceChecks)) test(title, () => check(make));
    if (makeReadOnly !== undefined) test('refuses to change when read-only', () => refusesToChange(makeReadOnly));
  });
};

/** The checks by name; each throws when the device breaks the contract. Exported so that a spec can prove that they can fail. */
export const deviceChecks = {
  'behaves like an array of bytes': (make: MakeDevice) => fc.assert(modelProperty(make), { numRuns: RUNS }),
  'keeps neighbouring writes apart when they run at once': (make: MakeDevice) => fc.assert(neighbourProperty(make), { numRuns: RUNS }),
  'refuses ranges that are not within it and changes nothing': refusesOutside,
  'copies the data it is given': copiesData,
  'waits for calls under way when closed, then refuses': closesInOrder,
} satisfies Record<string, (make: MakeDevice) => Promise<void>>;

/** Zero in every third block, so that allocation has something to tell. */
const pattern = (size: number, seed: number): Uint8Array => {
  const bytes = new Uint8Array(size);
  for (let block = 0; block * BLOCK_SIZE < size; block += 1) {
    if (block % 3 !== 2) bytes.set(TILE.subarray(seed, seed + Math.min(BLOCK_SIZE, size - block * BLOCK_SIZE)), block * BLOCK_SIZE);
  }
  return bytes;
};
const TILE = Uint8Array.from({ length: 2 * BLOCK_SIZE }, (_, index) => (index * 31) % 251);

/** Ranges that begin and end at, next to, and far from boundaries of blocks. */
const range = fc
  .tuple(
    fc.oneof(
      fc.nat(SIZE),
      fc.nat(Math.floor(SIZE / BLOCK_SIZE)).map((block) => block * BLOCK_SIZE),
    ),
    fc.oneof(fc.nat(3 * BLOCK_SIZE), fc.constantFrom(0, 1, 511, 512, BLOCK_SIZE, 2 * BLOCK_SIZE, SIZE), fc.nat(SIZE)),
  )
  .map(([offset, length]) => ({ offset, length: Math.min(length, SIZE - offset) }));

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('write' as const), range, fill: fc.integer({ min: 0, max: 255 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('zero' as const), range }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('read' as const), range }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('allocated' as const), range }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
);

const modelProperty = (make: MakeDevice) =>
  fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.nat(250), async (steps, seed) => {
    const model = pattern(SIZE, seed);
    const device = await make(model.slice());
    try {
      if (device.size !== SIZE || device.readOnly) throw new Error(`size ${device.size}, readOnly ${device.readOnly}`);
      for (const one of steps) {
        if (one.kind === 'flush') {
          await device.flush();
          continue;
        }
        const { offset, length } = one.range;
        if (one.kind === 'write') {
          const data = pattern(length, one.fill);
          model.set(data, offset);
          await device.write(offset, data);
        } else if (one.kind === 'zero') {
          model.fill(0, offset, offset + length);
          await device.zero(offset, length);
        } else if (one.kind === 'read') {
          await expectBytes(device, offset, model.subarray(offset, offset + length));
        } else {
          await expectAllocation(device, offset, model.subarray(offset, offset + length));
        }
      }
      await expectBytes(device, 0, model);
      await expectAllocation(device, 0, model);
    } finally {
      await device.close();
    }
  });

/** Cuts a range into neighbours at random places and writes or zeroes them all at once, in any order. */
const neighbourProperty = (make: MakeDevice) =>
  fc.asyncProperty(
    fc.uniqueArray(fc.nat(5 * BLOCK_SIZE), { minLength: 2, maxLength: 24 }),
    fc.array(fc.boolean(), { minLength: 24, maxLength: 24 }),
    fc.infiniteStream(fc.nat(1000)),
    async (cuts, zeroes, order) => {
      const model = pattern(SIZE, 7);
      const device = await make(model.slice());
      try {
        const start = 3 * BLOCK_SIZE;
        const ends = cuts.sort((a, b) => a - b);
        const calls = ends.slice(1).map((end, index) => {
          const offset = start + ends[index]!;
          const length = start + end - offset;
          model.fill(zeroes[index] ? 0 : index + 1, offset, offset + length);
          const data = new Uint8Array(length).fill(index + 1);
          const run = () => (zeroes[index] ? device.zero(offset, length) : device.write(offset, data));
          return { run, rank: order.next().value as number };
        });
        await Promise.all(calls.sort((a, b) => a.rank - b.rank).map(({ run }) => run()));
        await expectBytes(device, 0, model);
      } finally {
        await device.close();
      }
    },
  );

async function refusesOutside(make: MakeDevice): Promise<void> {
  const content = pattern(SIZE, 3);
  const device = await make(content.slice());
  const data = new Uint8Array(10).fill(9);
  try {
    for (const offset of [-1, 0.5, Number.NaN, SIZE - 9, SIZE + 1, Number.MAX_SAFE_INTEGER, 2 ** 53, Number.POSITIVE_INFINITY]) {
      await expectCode('RANGE_INVALID', () => device.read(offset, new Uint8Array(10)));
      await expectCode('RANGE_INVALID', () => device.write(offset, data));
      await expectCode('RANGE_INVALID', () => device.zero(offset, 10));
      await expectCode('RANGE_INVALID', () => device.allocated(offset, 10));
    }
    await expectCode('RANGE_INVALID', () => device.zero(0, -1));
    await device.read(SIZE, new Uint8Array(0));
    await device.write(SIZE, new Uint8Array(0));
    await device.zero(SIZE, 0);
    await expectBytes(device, 0, content);
  } finally {
    await device.close();
  }
}

async function copiesData(make: MakeDevice): Promise<void> {
  const device = await make(pattern(SIZE, 1));
  try {
    for (const [offset, length] of [
      [0, BLOCK_SIZE],
      [5000, 10_000],
      [SIZE - 100, 100],
    ] as const) {
      const data = new Uint8Array(length).fill(77);
      await device.write(offset, data);
      data.fill(78);
      await expectBytes(device, offset, new Uint8Array(length).fill(77));
    }
  } finally {
    await device.close();
  }
}

async function closesInOrder(make: MakeDevice): Promise<void> {
  const device = await make(pattern(SIZE, 2));
  const settled: string[] = [];
  const calls = [
    device.write(100, new Uint8Array(2 * BLOCK_SIZE)).then(() => settled.push('write')),
    device.read(0, new Uint8Array(SIZE)).then(() => settled.push('read')),
    device.zero(9000, 9000).then(() => settled.push('zero')),
  ];
  await device.close();
  if (settled.length !== calls.length) throw new Error(`closed before all calls had ended: ${settled}`);
  await device.close();
  await expectCode('DEVICE_CLOSED', () => device.read(0, new Uint8Array(1)));
  await expectCode('DEVICE_CLOSED', () => device.write(0, new Uint8Array(1)));
  await expectCode('DEVICE_CLOSED', () => device.zero(0, 1));
  await expectCode('DEVICE_CLOSED', () => device.flush());
  await expectCode('DEVICE_CLOSED', () => device.allocated(0, 1));
}

async function refusesToChange(make: MakeDevice): Promise<void> {
  const content = pattern(SIZE, 4);
  const device = await make(content.slice());
  try {
    if (!device.readOnly) throw new Error('it does not say that it is read-only');
    await expectCode('NO_PERMISSION', () => device.write(0, new Uint8Array(10)));
    await expectCode('NO_PERMISSION', () => device.zero(0, 10));
    await device.flush();
    await expectBytes(device, 0, content);
  } finally {
    await device.close();
  }
}

const expectBytes = async (device: BlockDevice, offset: number, bytes: Uint8Array): Promise<void> => {
  // Filled with something else first: what a device leaves alone must not look right.
  const found = new Uint8Array(bytes.length).fill(0xa5);
  await device.read(offset, found);
  if (Buffer.compare(found, bytes) === 0) return;
  const at = found.findIndex((byte, index) => byte !== bytes[index]);
  throw new Error(`byte ${offset + at} is ${found[at]}, not ${bytes[at]}`);
};

const expectAllocation = async (device: BlockDevice, offset: number, bytes: Uint8Array): Promise<void> => {
  const expectZero = (from: number, to: number): void => {
    if (Buffer.compare(bytes.subarray(from - offset, to - offset), new Uint8Array(to - from)) === 0) return;
    throw new Error(`${from} … ${to} is said to be zero`);
  };
  let end = offset;
  for (const extent of await device.allocated(offset, bytes.length)) {
    if (extent.offset < end || extent.length <= 0) throw new Error('extents are not in order');
    expectZero(end, extent.offset);
    end = extent.offset + extent.length;
  }
  if (end > offset + bytes.length) throw new Error('an extent ends behind the range');
  expectZero(end, offset + bytes.length);
};

const expectCode = async (code: 'RANGE_INVALID' | 'DEVICE_CLOSED' | 'NO_PERMISSION', call: () => Promise<unknown>): Promise<void> => {
  const reason = await call().then(
    () => 'nothing',
    (error: unknown) => error,
  );
  if (!isHoldfastError(reason, code)) throw new Error(`${code} was expected, not ${reason}`);
};
