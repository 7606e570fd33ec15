import { isHoldfastError } from '@holdfast/errors';
import { idText, isId } from '@holdfast/protocol';
import { type Clock, systemClock } from '../clock.ts';
import { HEADER_SIZE, readHeader } from '../object-header.ts';
import { dataKeyName, holdersName, keySlotName, MACHINES } from '../object-names.ts';
import { storedSlots } from '../stored-slots.ts';
import type { VaultAccess } from '../vault-access.ts';
import { type HoldersVersion, newestHolders, newestRoot, publishHolders } from './holders-object.ts';

/**
 * Brings to its end what a change of keys has to do behind the version of the holders that made it true, whether it was this one or one that was killed:
 * slots of removed holders and of replaced root keys go, and every machine gets a data key that only today's holders can open. Does nothing when there is
 * nothing to do. Errors: those of the store, such as NO_PERMISSION without the right to delete.
 */
export const settleKeys = async (vault: VaultAccess, clock: Clock = systemClock): Promise<void> => {
  const newest = await newestHolders(vault);
  if (newest === undefined) return;
  if (newest.generation > 1) {
    await renewDataKeys(vault, newest.generation, clock);
    await doubleHolders(vault, newest);
  }
  const removed = new Set(newest.record.removedSlotIds.map(idText));
  for (const { id, summary } of await storedSlots(vault)) {
    const isReplaced = summary !== undefined && summary.generation < newest.generation;
    if (removed.has(id) || isReplaced) await vault.store.delete(keySlotName(id));
  }
};

/** The older root keys are told by versions under the newest one and nowhere else: there are two, so that no single object is needed to read history. */
const doubleHolders = async (vault: VaultAccess, newest: HoldersVersion): Promise<void> => {
  if (newest.version > 1 && (await generationOf(vault, holdersName(newest.version - 1))) === newest.generation) return;
  await publishHolders(vault, newest, await newestRoot(vault), newest.record);
};

/** Of every machine whose newest data key former holders can open. */
const renewDataKeys = async (vault: VaultAccess, generation: number, clock: Clock): Promise<void> => {
  for await (const { name } of vault.store.list(MACHINES)) {
    const machineId = name.slice(MACHINES.length);
    if (isId(machineId)) await renewDataKey(vault, machineId, generation, clock);
  }
};

const renewDataKey = async (vault: VaultAccess, machineId: string, generation: number, clock: Clock): Promise<void> => {
  const epoch = await vault.keys.newestEpoch(machineId);
  if ((await generationOf(vault, dataKeyName(machineId, epoch))) < generation)
    await vault.keys.createKey(machineId, epoch + 1, clock.now());
};

/**
 * The same for one machine that was registered just now: a change of keys that ended before could not know of it, and one that comes later does. Errors:
 * VAULT_KEY_WRONG when the key that opened the vault is no longer a holder's.
 */
export const settleDataKey = async (vault: VaultAccess, machineId: string, clock: Clock = systemClock): Promise<void> => {
  const generation = await learnRoot(vault);
  if (generation > 1) await renewDataKey(vault, machineId, generation, clock);
};

/** Takes up the root key in force; resolves to its number. Of versions that are damaged nothing is learned: opening steps over them too. */
export const learnRoot = async (vault: VaultAccess): Promise<number> => {
  try {
    await newestHolders(vault);
  } catch (reason) {
    if (!isHoldfastError(reason, 'DAMAGED')) throw reason;
  }
  return vault.keys.rootGeneration;
};

/** The root key that an object is under, as its header says. */
const generationOf = async ({ store }: VaultAccess, name: string): Promise<number> =>
  readHeader(Buffer.from(await store.read(name, { offset: 0, length: HEADER_SIZE })), name).rootGeneration ?? 1;
