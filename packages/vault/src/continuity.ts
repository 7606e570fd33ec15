import type { ObjectInfo } from '@holdfast/object-store';
import { idText } from '@holdfast/protocol';
import { damaged } from './damage.ts';
import type { MachineHistory } from './history.ts';
import { OBJECT_KIND } from './object-header.ts';
import { historyPrefix, partPrefix, runPrefix } from './object-names.ts';
import { type ReferencedKind, referencedName } from './referenced-object.ts';
import type { VaultAccess } from './vault-access.ts';

/** An object with a random name. */
export interface ListedObject extends ObjectInfo {
  readonly kind: ReferencedKind;
  readonly id: string;
}

export interface Continuity {
  /** All objects with random names that the store has. */
  readonly listed: readonly ListedObject[];
  /** Names of those that the newest catalogue needs. */
  readonly needed: ReadonlySet<string>;
}

const FOLDERS = [
  { kind: OBJECT_KIND.history, prefix: historyPrefix },
  { kind: OBJECT_KIND.run, prefix: runPrefix },
  { kind: OBJECT_KIND.part, prefix: partPrefix },
] as const;

/** `locks`: what is listed tells of locks too. */
export const listReferenced = async (
  { store }: VaultAccess,
  machineId: string,
  { locks = false }: { readonly locks?: boolean } = {},
): Promise<ListedObject[]> => {
  const listed: ListedObject[] = [];
  for (const { kind, prefix } of FOLDERS)
    for await (const info of store.list(prefix(machineId), { locks }))
      listed.push({ ...info, kind, id: info.name.slice(prefix(machineId).length) });
  return listed;
};

/**
 * Proves, by names and sizes, that every object is there which the points of a machine need below the tail. Errors: DAMAGED when one is missing, or is
 * given up and needed at once. `locks`: what is listed tells of locks too.
 */
export const checkContinuity = async (
  { vault, machine, catalogue, levels }: MachineHistory,
  options: { readonly locks?: boolean } = {},
): Promise<Continuity> => {
  const listed = await listReferenced(vault, machine.id, options);
  const sizes = new Map(listed.map(({ name, size }) => [name, size]));
  const needed = new Set<string>();
  const need = (kind: ReferencedKind, object: { readonly id: Uint8Array; readonly size: bigint } | undefined): void => {
    const name = referencedName(machine.id, kind, idText(object!.id))!;
    if (sizes.get(name) !== Number(object!.size))
      throw damaged(name, 'it is needed, and is missing or cut short; nothing is forgotten or deleted');
    needed.add(name);
  };
  for (const { object } of catalogue?.catalogue.history ?? []) need(OBJECT_KIND.history, object);
  for (const ref of catalogue?.catalogue.runs ?? []) {
    need(OBJECT_KIND.run, ref.object);
    for (const { object } of (await levels.run(ref)).parts) need(OBJECT_KIND.part, object);
  }
  for (const { kind, id } of catalogue?.catalogue.tombstones ?? []) {
    const name = referencedName(machine.id, kind, idText(id));
    if (name !== undefined && needed.has(name))
      throw damaged(name, 'the catalogue gives it up and needs it; nothing is forgotten or deleted');
  }
  return { listed, needed };
};
