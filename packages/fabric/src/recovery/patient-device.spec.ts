import { type BlockDevice, createMemoryDevice } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import { createPatientDevice } from './patient-device.ts';

const late = (): { readonly device: BlockDevice; answer(): void } => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const device = Object.assign(Object.create(createMemoryDevice(8192)) as BlockDevice, {
    read: async (_: number, target: Uint8Array) => {
      await promise;
      target.fill(9);
    },
  });
  return { device, answer: resolve };
};

it('reads what the device reads', async () => {
  const memory = createMemoryDevice(8192);
  await memory.write(4096, new Uint8Array(4096).fill(3));
  const target = new Uint8Array(4096);
  await createPatientDevice(memory, 1000, () => {}).read(4096, target);
  expect(target).toEqual(new Uint8Array(4096).fill(3));
});

it('ends a read in time, and never writes into memory that is no longer its own', async () => {
  const failures: string[] = [];
  const { device, answer } = late();
  const target = new Uint8Array(512);
  const reading = createPatientDevice(device, 20, ({ code }) => failures.push(code)).read(0, target);
  await expect(reading).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  answer();
  await new Promise((resolve) => setImmediate(resolve));
  expect(target).toEqual(new Uint8Array(512));
  expect(failures).toEqual(['STORE_UNAVAILABLE']);
});

it("tells of the device's own errors", async () => {
  const failures: string[] = [];
  const damaged = new HoldfastError('DAMAGED', { thing: 'slot 1', why: 'flipped', remedy: 'repair it' });
  const device = Object.assign(Object.create(createMemoryDevice(8192)) as BlockDevice, { read: async () => Promise.reject(damaged) });
  const patient = createPatientDevice(device, 1000, ({ code }) => failures.push(code));
  await expect(patient.read(0, new Uint8Array(512))).rejects.toBe(damaged);
  expect(failures).toEqual(['DAMAGED']);
});

it('lets the same read be tried once more', async () => {
  let reads = 0;
  const device = Object.assign(Object.create(createMemoryDevice(8192)) as BlockDevice, {
    read: async () => {
      reads += 1;
      if (reads === 1) throw new HoldfastError('STORE_UNAVAILABLE', { thing: 'vault', why: 'away', remedy: 'wait' });
    },
  });
  let again: (() => Promise<void>) | undefined;
  const patient = createPatientDevice(device, 1000, (_, retry) => {
    again = retry;
  });
  await expect(patient.read(512, new Uint8Array(512))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  await again!();
  expect(reads).toBe(2);
});
