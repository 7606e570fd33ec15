import type { ObjectStore } from '@holdfast/object-store';

/** The keys a holder of a vault has. */
export interface KeyRing {
  /** How many root keys there were; the last one is in force. */
  readonly rootGeneration: number;
  /**
   * The root key of that number, 1, 2 … A copy. `undefined` when the vault never had so many. Errors: VAULT_KEY_WRONG when it was given a newer one, and
   * the key that opened it is no longer a holder's.
   */
  rootKey(generation: number): Promise<Uint8Array | undefined>;
  /** Goes on with these root keys. */
  adopt(rootKeys: readonly Uint8Array[]): void;
  /**
   * The key that objects of a machine and key epoch are sealed under; epoch 0 is the first root key. A copy. Errors: OBJECT_NOT_FOUND, DAMAGED,
   * VAULT_KEY_WRONG.
   */
  keyOf(machineId: string, epoch: number): Promise<Uint8Array>;
  /** The newest key epoch of a machine, 0 when it has none. */
  newestEpoch(machineId: string): Promise<number>;
  /** Makes the data key of a machine's key epoch under the newest root key; false, and nothing done, when there is one. */
  createKey(machineId: string, epoch: number, now: number): Promise<boolean>;
  /** Forgets all keys. From then on nothing is sealed or opened: INTERRUPTED. */
  clear(): void;
  /** Errors: INTERRUPTED when the keys were forgotten. */
  assertOpen(): void;
}

/** What is needed to read and write a vault's objects. */
export interface VaultAccess {
  readonly id: string;
  readonly store: ObjectStore;
  readonly keys: KeyRing;
}
