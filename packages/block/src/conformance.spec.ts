import type { BlockDevice } from './block-device.ts';
import { deviceChecks, type MakeDevice } from './conformance.ts';
import { createMemoryDevice } from './memory-device.ts';

type Check = keyof typeof deviceChecks;

const filled = async (content: Uint8Array): Promise<BlockDevice> => {
  const device = createMemoryDevice(content.length);
  await device.write(0, content);
  return device;
};

/** A memory device of which some calls are replaced. */
const broken =
  (change: (device: BlockDevice) => Partial<BlockDevice>): MakeDevice =>
  async (content) => {
    const device = await filled(content);
    const { size, readOnly } = device;
    return {
      size,
      readOnly,
      read: (offset, target) => device.read(offset, target),
      write: (offset, data) => device.write(offset, data),
      zero: (offset, length) => device.zero(offset, length),
      flush: () => device.flush(),
      allocated: (offset, length) => device.allocated(offset, length),
      close: () => device.close(),
      ...change(device),
    };
  };

/** Writes whole blocks, completed by what was read a moment before, without taking turns. */
const lostUpdates = (device: BlockDevice): Partial<BlockDevice> => ({
  write: async (offset, data) => {
    const from = Math.floor(offset / 4096) * 4096;
    const to = Math.min(Math.ceil((offset + data.length) / 4096) * 4096, device.size);
    const whole = new Uint8Array(to - from);
    await device.read(from, whole);
    whole.set(data, offset - from);
    await device.write(from, whole);
  },
});

const defects: readonly [string, Check, (device: BlockDevice) => Partial<BlockDevice>][] = [
  [
    'forgets the last byte of a long write',
    'behaves like an array of bytes',
    (device) => ({
      write: (offset, data) => device.write(offset, data.length > 4096 ? data.subarray(0, -1) : data),
    }),
  ],
  [
    'zeroes up to the end of the block',
    'behaves like an array of bytes',
    (device) => ({
      zero: (offset, length) => device.zero(offset, Math.min(Math.ceil((offset + length) / 4096) * 4096, device.size) - offset),
    }),
  ],
  [
    'leaves the end of a read alone',
    'behaves like an array of bytes',
    (device) => ({
      read: (offset, target) => device.read(offset, target.length > 9000 ? target.subarray(0, 9000) : target),
    }),
  ],
  ['calls written data zero', 'behaves like an array of bytes', () => ({ allocated: async () => [] })],
  ['loses updates', 'keeps neighbouring writes apart when they run at once', lostUpdates],
  [
    'accepts what is not within it',
    'refuses ranges that are not within it and changes nothing',
    (device) => ({
      write: async (offset, data) => (offset >= 0 && offset + data.length <= device.size ? device.write(offset, data) : undefined),
    }),
  ],
  [
    'keeps the data it is given',
    'copies the data it is given',
    (device) => {
      let last: { offset: number; data: Uint8Array } | undefined;
      return {
        write: async (offset, data) => {
          last = { offset, data };
        },
        read: async (offset, target) => {
          if (last !== undefined) await device.write(last.offset, last.data);
          await device.read(offset, target);
        },
      };
    },
  ],
  [
    'closes too early',
    'waits for calls under way when closed, then refuses',
    (device) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      return {
        read: (offset, target) => promise.then(() => device.read(offset, target)),
        close: async () => resolve(),
      };
    },
  ],
];

test.each(defects)('the suite notices a device that %s', async (_, check, change) => {
  await expect(deviceChecks[check](broken(change))).rejects.toThrow();
});

test('the suite accepts the same device without a defect', async () => {
  for (const check of Object.values(deviceChecks)) await check(broken(() => ({})));
});
