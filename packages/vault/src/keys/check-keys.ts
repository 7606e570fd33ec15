import { type Finding, findingOf } from '../finding.ts';
import { dataKeyName, holdersName } from '../object-names.ts';
import { storedSlots } from '../stored-slots.ts';
import type { Vault } from '../vault.ts';
import { highestHolders, readHolders } from './holders-object.ts';

/**
 * Reads every key slot, every version of the holders and every data key: most of them are not needed to open the vault, and what is not read is not missed
 * until the others are gone. Errors: those of the store.
 */
export const checkKeys = async (vault: Vault): Promise<Finding[]> => {
  const findings: Finding[] = [];
  const look = async (name: string, read: () => Promise<unknown>): Promise<void> => {
    try {
      await read();
    } catch (reason) {
      const finding = findingOf(reason, name);
      if (finding === undefined) throw reason;
      findings.push(finding);
    }
  };
  for (const { damage } of await storedSlots(vault)) if (damage !== undefined) findings.push(damage);
  const highest = await highestHolders(vault.store);
  for (let version = 1; version <= highest; version += 1) await look(holdersName(version), () => readHolders(vault, version));
  for (const { id } of await vault.machines()) {
    const newest = await vault.keys.newestEpoch(id);
    for (let epoch = 1; epoch <= newest; epoch += 1) await look(dataKeyName(id, epoch), () => vault.keys.keyOf(id, epoch));
  }
  return findings;
};
