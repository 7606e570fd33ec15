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

it('lets all that failed be tried once more, and waits for each of it that may pass by waiting', async () => {
  const away = new HoldfastError('STORE_UNAVAILABLE', { thing: 'vault', why: 'away', remedy: 'wait' });
  const damaged = new HoldfastError('DAMAGED', { thing: 'slot 1', why: 'flipped', remedy: 'repair it' });
  const failing = new Map([0, 512, 1024].map((offset) => [offset, away]));
  const reads: number[] = [];
  const device = Object.assign(Object.create(createMemoryDevice(8192)) as BlockDevice, {
    read: async (offset: number) => {
      reads.push(offset);
      if (failing.has(offset)) throw failing.get(offset)!;
    },
  });
  const ways = new Set<() => Promise<void>>();
  const patient = createPatientDevice(device, 1000, (_, retry) => ways.add(retry));
  for (const offset of [0, 512, 1024, 512]) await expect(patient.read(offset, new Uint8Array(512))).rejects.toBe(away);
  expect(ways.size).toBe(1);
  const [again] = ways;
  reads.length = 0;
  failing.delete(0);
  failing.delete(1024);
  await expect(again!()).rejects.toBe(away);
  expect(reads).toEqual([0, 512]);
  // What lasts is the machine's to see; what was read since is not read for it again.
  await patient.read(1024, new Uint8Array(512));
  failing.set(512, damaged);
  await again!();
  await again!();
  expect(reads).toEqual([0, 512, 1024, 512]);
});
