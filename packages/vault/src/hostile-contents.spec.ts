import { randomInt } from 'node:crypto';
import { HoldfastError } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';
import { type Forgeable, makeForgeable } from './testing/forgeable.ts';
import { useForgeries } from './testing/many-forgeries.ts';
import { useAll } from './testing/use-vault.ts';

describe('contents of a vault that are authentic and wrong', () => {
  let forgeable: Forgeable;
  beforeAll(async () => {
    forgeable = await makeForgeable();
  }, 60_000);

  it('are good when nothing was changed', async () => {
    const { whole, machineId, next } = forgeable;
    const copy = whole.copy();
    expect(await useAll(await copy.store(new Set(copy.objects)), machineId, next, true)).toEqual([]);
  });

  it('would be found where a reader stumbles over them', async () => {
    const { whole, machineId, next } = forgeable;
    const store = await whole.copy().store(new Set());
    const stumbling: ObjectStore = { ...store, read: () => Promise.reject(new TypeError('Cannot read properties of undefined')) };
    await expect(useAll(stumbling, machineId, next)).rejects.toThrow('Cannot read properties');
    const unnamed = new HoldfastError('SETTING_INVALID', { thing: 'range', why: 'it is negative', remedy: 'correct it' });
    await expect(useAll({ ...store, read: () => Promise.reject(unnamed) }, machineId, next)).rejects.toThrow('SETTING_INVALID');
  });

  it('are refused by name, whatever they are, by all who read or write', async () => {
    const { vaults, refused, wrong } = await useForgeries({ seed: randomInt(2 ** 31), count: 30 });
    expect(wrong).toBeUndefined();
    expect(vaults).toBe(30);
    expect(refused).toBeGreaterThan(3);
  }, 300_000);
});
