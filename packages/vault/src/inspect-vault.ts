import { isId } from '@holdfast/protocol';
import { type Finding, findingOf } from './finding.ts';
import { describeKeySlot, KEY_SLOT_LIMIT, type KeySlotSummary } from './keys/key-slot.ts';
import { controlAddressesOf, controlBackupOf, KEY_SLOTS, MACHINES, VAULT_NAME } from './object-names.ts';
import type { VaultAccess } from './vault-access.ts';

/** A key slot as anybody sees it: no secret is in it. */
export interface KeySlotInspection extends Partial<KeySlotSummary> {
  readonly id: string;
  /** Milliseconds since 1970 by the clock of the store. */
  readonly created: number;
  readonly damage?: Finding;
}

/** Number and bytes of the objects of a machine, by what they are. */
export interface MachineObjects {
  readonly machineId: string;
  readonly dataKeys: number;
  readonly terms: number;
  readonly slots: number;
  readonly slotBytes: number;
  /** Catalogue versions. */
  readonly catalogues: number;
  /** Objects that catalogues refer to, or once did: history, runs and parts; and holds and records of scrubbing. */
  readonly referenced: number;
  readonly referencedBytes: number;
  /** Bytes of all of them. */
  readonly bytes: number;
}

export interface VaultInspection {
  readonly keySlots: readonly KeySlotInspection[];
  /** By id; also of machines whose registration is missing. */
  readonly machines: readonly MachineObjects[];
  readonly objects: number;
  readonly bytes: number;
  /** Names of objects that are no part of a vault. */
  readonly strangers: readonly string[];
}

type Counts = { -readonly [Field in keyof MachineObjects]: MachineObjects[Field] };

/** Objects of a machine: with a number, or with an id. */
const MACHINE_OBJECT = /^m\/([0-9a-f]{32})\/(?:(keys|terms|log|catalogue|scrubs|proofs)\/\d{12}|(history|runs|parts|holds)\/[0-9a-f]{32})$/;

const HOLDERS_OBJECT = /^holders\/\d{12}$/;

/** Lists the whole store, reads the key slots and counts the rest by name. Errors: STORE_UNAVAILABLE, NO_PERMISSION. */
export const inspectVault = async ({ id, store }: VaultAccess): Promise<VaultInspection> => {
  const keySlots: KeySlotInspection[] = [];
  const machines = new Map<string, Counts>();
  const strangers: string[] = [];
  let objects = 0;
  let bytes = 0;
  for await (const { name, size, created } of store.list('')) {
    objects += 1;
    bytes += size;
    const [, machineId, kind] = MACHINE_OBJECT.exec(name) ?? [];
    if (machineId !== undefined) count(machines, machineId, kind, size);
    else if (name.startsWith(KEY_SLOTS)) keySlots.push({ id: name.slice(KEY_SLOTS.length), created, ...(await describe(id, store, name)) });
    else if (controlBackupOf(name) !== undefined || controlAddressesOf(name) !== undefined) continue;
    else if (name !== VAULT_NAME && !HOLDERS_OBJECT.test(name) && !(name.startsWith(MACHINES) && isId(name.slice(MACHINES.length))))
      strangers.push(name);
  }
  return { keySlots, machines: [...machines.values()], objects, bytes, strangers };
};

const NOTHING = { dataKeys: 0, terms: 0, slots: 0, slotBytes: 0, catalogues: 0, referenced: 0, referencedBytes: 0, bytes: 0 };

const count = (machines: Map<string, Counts>, machineId: string, kind: string | undefined, size: number): void => {
  const counts = machines.get(machineId) ?? { ...NOTHING, machineId };
  machines.set(machineId, counts);
  counts.bytes += size;
  if (kind === 'keys') counts.dataKeys += 1;
  else if (kind === 'terms') counts.terms += 1;
  else if (kind === 'catalogue') counts.catalogues += 1;
  else if (kind === undefined || kind === 'scrubs' || kind === 'proofs') {
    counts.referenced += 1;
    counts.referencedBytes += size;
  } else {
    counts.slots += 1;
    counts.slotBytes += size;
  }
};

const describe = async (vaultId: string, store: VaultAccess['store'], name: string): Promise<Partial<KeySlotInspection>> => {
  try {
    return describeKeySlot(vaultId, Buffer.from(await store.read(name, { offset: 0, length: KEY_SLOT_LIMIT + 1 })), name);
  } catch (reason) {
    const damage = findingOf(reason, name);
    if (damage === undefined) throw reason;
    return { damage };
  }
};
