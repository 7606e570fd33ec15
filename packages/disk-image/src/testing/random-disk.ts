import { type BlockDevice, createMemoryDevice } from '@holdfast/block';
import fc from 'fast-check';

const MIB = 1024 * 1024;

export interface DiskWrite {
  readonly offset: number;
  readonly length: number;
  /** 0 writes zeroes: allocated, and nothing in it. 256 writes what does not compress. */
  readonly fill: number;
}

/** A disk of any size from 1 byte to 40 MiB, with a few ranges of it written. */
export const randomDisk = (): fc.Arbitrary<{ size: number; writes: DiskWrite[] }> =>
  fc.oneof(fc.integer({ min: 1, max: 200_000 }), fc.integer({ min: MIB, max: 40 * MIB })).chain((size) =>
    fc.record({
      size: fc.constant(size),
      writes: fc.array(fc.record({ offset: fc.nat(size - 1), length: fc.integer({ min: 1, max: 300_000 }), fill: fc.nat(256) }), {
        maxLength: 6,
      }),
    }),
  );

/** The device, and what it holds. */
export const makeDisk = async ({
  size,
  writes,
}: {
  size: number;
  writes: DiskWrite[];
}): Promise<{ device: BlockDevice; expected: Buffer }> => {
  const expected = Buffer.alloc(size);
  const device = createMemoryDevice(size);
  for (const { offset, length, fill } of writes) {
    const part = expected.subarray(offset, offset + length);
    if (fill === 256) for (let at = 0; at < part.length; at += 1) part[at] = Math.imul(at, 2_654_435_761) >>> 24;
    else part.fill(fill);
    await device.write(offset, part);
  }
  return { device, expected };
};
