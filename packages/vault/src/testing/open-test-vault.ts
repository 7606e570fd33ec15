// Vaults in memory for tests.
import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import { registerMachine } from '../machine.ts';
import { createVault, openVault, type Vault } from '../vault.ts';
import type { SimulatedSource } from './simulated-source.ts';

export const TEST_KEY = { kind: 'key-file', secret: Buffer.alloc(32, 7) } as const;

/** A new vault in which the machine of the source is registered. */
export const createTestVault = async (source: SimulatedSource, store: ObjectStore = createMemoryStore()): Promise<Vault> => {
  const vault = await createVault(store, { name: 'test', keys: [TEST_KEY] });
  await registerMachine(vault, { id: source.machineId, name: 'db1' });
  return vault;
};

/** The same vault through another store, for example one with faults over the first. */
export const throughStore = (store: ObjectStore): Promise<Vault> => openVault(store, TEST_KEY);
