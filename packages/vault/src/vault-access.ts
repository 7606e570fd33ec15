import type { ObjectStore } from '@holdfast/object-store';

/** The keys a holder of a vault has. */
export interface KeyRing {
  /** The key that objects of a machine and key epoch are sealed under; epoch 0 is the root key. A copy. Errors: OBJECT_NOT_FOUND, DAMAGED. */
  keyOf(machineId: string, epoch: number): Promise<Uint8Array>;
  /** The newest key epoch of a machine, 0 when it has none. */
  newestEpoch(machineId: string): Promise<number>;
  /** Makes the first data key of a machine; does nothing when there is one. */
  createFirstKey(machineId: string, now: number): Promise<void>;
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
