import { createMemoryDevice } from '@holdfast/block';
import fc from 'fast-check';
import { describeRange } from './block-status.ts';

const CHUNK = 64 * 1024;
const CHUNKS = 2000;

test('a description tells the truth, in as few runs as there are, from the start of the range', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.oneof(fc.nat(CHUNKS - 1), fc.nat(20)), { maxLength: 30 }),
      fc.nat(CHUNKS * CHUNK - 1),
      fc.nat(CHUNKS * CHUNK),
      fc.integer({ min: 1, max: 8 }),
      async (written, offset, wanted, limit) => {
        const length = Math.max(1, Math.min(wanted, CHUNKS * CHUNK - offset));
        const device = createMemoryDevice(CHUNKS * CHUNK);
        for (const chunk of written) await device.write(chunk * CHUNK, Uint8Array.of(1));
        const runs = await describeRange(device, offset, length, limit);
        const isData = (at: number): boolean => written.includes(Math.floor(at / CHUNK));
        expect(runs.length).toBeGreaterThan(0);
        expect(runs.length).toBeLessThanOrEqual(limit);
        let at = offset;
        for (const run of runs) {
          expect(run.length).toBeGreaterThan(0);
          for (let chunk = Math.floor(at / CHUNK); chunk * CHUNK < at + run.length; chunk += 1)
            expect(isData(chunk * CHUNK)).toBe(run.data);
          at += run.length;
          if (at < offset + length) expect(isData(at)).toBe(!run.data);
        }
        expect(at).toBeLessThanOrEqual(offset + length);
        if (at < offset + length) expect(runs).toHaveLength(limit);
      },
    ),
  );
});

test('no more is asked of the device than is needed', async () => {
  const device = createMemoryDevice(2 ** 45);
  await device.write(0, Uint8Array.of(1));
  let asked = 0;
  const counting = {
    ...device,
    size: device.size,
    allocated: (offset: number, length: number) => {
      asked += length;
      return device.allocated(offset, length);
    },
  };
  expect(await describeRange(counting as never, 0, 2 ** 32 - 1, 1)).toEqual([{ length: CHUNK, data: true }]);
  expect(asked).toBe(16 * 1024 * 1024);
});
