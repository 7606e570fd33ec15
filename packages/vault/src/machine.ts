import { create, toBinary } from '@bufbuild/protobuf';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { isId, MachineRecordSchema } from '@holdfast/protocol';
import { type Finding, findingOf } from './finding.ts';
import { learnRoot, settleDataKey } from './keys/settle-keys.ts';
import { OBJECT_KIND } from './object-header.ts';
import { MACHINES, machineName } from './object-names.ts';
import { decodeRecords, ifPresent, readHead } from './read-object.ts';
import { NO_TAG, sealObject } from './sealed-object.ts';
import type { VaultAccess } from './vault-access.ts';

export interface MachineSummary {
  readonly id: string;
  /** Its name when it was registered; the manifests know later ones. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly registered: number;
  /** What is wrong with its registration; name and time are lost then, its log may be whole. */
  readonly damage?: Finding;
}

/** Makes a machine known to the vault; does nothing when it is known already. Resolves to what the vault holds. */
export const registerMachine = async (
  vault: VaultAccess,
  { id, name }: { readonly id: string; readonly name: string },
): Promise<MachineSummary> => {
  if (!isId(id))
    throw new HoldfastError('SETTING_INVALID', {
      thing: `machine ${JSON.stringify(id)}`,
      why: 'an id is 32 hexadecimal digits',
      remedy: 'correct the id',
    });
  const known = await ifPresent(readMachineSummary(vault, id));
  if (known !== undefined) return known;
  const registered = Date.now();
  // The vault may have been given a new root key since it was opened here: who had the old one must not know the keys of what comes.
  await learnRoot(vault);
  await vault.keys.createKey(id, 1, registered);
  const { bytes } = sealObject(
    await vault.keys.keyOf(id, 1),
    { kind: OBJECT_KIND.machine, keyEpoch: 1, vaultId: vault.id, machineId: id, number: 0, previousTag: NO_TAG },
    {
      records: toBinary(MachineRecordSchema, create(MachineRecordSchema, { name, registeredUnixMillis: BigInt(registered) })),
      index: new Uint8Array(0),
      frames: [],
    },
  );
  try {
    await vault.store.create(machineName(id), bytes);
  } catch (reason) {
    if (!isHoldfastError(reason, 'OBJECT_EXISTS')) throw reason;
    return readMachineSummary(vault, id);
  }
  // And it may have been given one just now.
  await settleDataKey(vault, id);
  return { id, name, registered };
};

/** What the vault says of a machine; a damaged registration does not hide it. Errors: MACHINE_NOT_FOUND. */
export const findMachine = async (vault: VaultAccess, id: string): Promise<MachineSummary> => {
  const machine = isId(id) ? await ifPresent(readSummaryLeniently(vault, id)) : undefined;
  if (machine !== undefined) return machine;
  throw new HoldfastError('MACHINE_NOT_FOUND', {
    thing: `machine ${id}`,
    why: `${vault.store.url} knows no machine of this id`,
    remedy: "list the vault's machines, or register this one",
  });
};

/** Every machine of the vault, by id. */
export const listMachines = async (vault: VaultAccess): Promise<MachineSummary[]> => {
  const machines: MachineSummary[] = [];
  for await (const { name } of vault.store.list(MACHINES)) {
    const id = name.slice(MACHINES.length);
    if (isId(id)) machines.push(await readSummaryLeniently(vault, id));
  }
  return machines;
};

const readSummaryLeniently = async (vault: VaultAccess, id: string): Promise<MachineSummary> => {
  try {
    return await readMachineSummary(vault, id);
  } catch (reason) {
    const damage = findingOf(reason, machineName(id));
    if (damage === undefined) throw reason;
    return { id, name: '', registered: 0, damage };
  }
};

const readMachineSummary = async (vault: VaultAccess, id: string): Promise<MachineSummary> => {
  const head = await readHead(vault, machineName(id), { kind: OBJECT_KIND.machine, machineId: id, number: 0 });
  const { name, registeredUnixMillis } = decodeRecords(MachineRecordSchema, head, machineName(id));
  return { id, name, registered: Number(registeredUnixMillis) };
};
