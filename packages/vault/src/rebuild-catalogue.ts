import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { type Catalogue, idText } from '@holdfast/protocol';
import { type CatalogueVersion, readCatalogue } from './catalogue.ts';
import type { Clock } from './clock.ts';
import type { KeeperKey } from './keeper-key.ts';
import { LevelSource } from './level-source.ts';
import { OBJECT_KIND } from './object-header.ts';
import { cataloguePrefix, catalogueVersionOf, slotName } from './object-names.ts';
import { ifPresent } from './read-object.ts';
import { type ReferencedKind, readReferenced, referencedName } from './referenced-object.ts';
import { type RepairReport, repairMachine } from './repair.ts';
import type { Vault } from './vault.ts';

export interface RebuildReport extends RepairReport {
  /** The version that the new one was made from; 0: the log alone. */
  readonly basedOn: number;
  /** Versions that were there and could not be used, newest first, and why. */
  readonly passedOver: readonly { readonly version: number; readonly why: string }[];
}

/**
 * Publishes a catalogue anew from the newest version that can be read, all of whose objects are there, and from what the log tells since; without any such
 * version from the log alone, if that is there from its beginning. For when newer versions, or objects they need, are damaged or gone. What only those
 * knew is lost and named: slots, and points that were compacted since. With a keeper key only from what a keeper vouched for, and vouched for. Shuts every
 * writer out. Errors: MACHINE_NOT_FOUND, DAMAGED (nothing tells what there
 * is), FENCED.
 */
export const rebuildCatalogue = async (
  vault: Vault,
  machineId: string,
  options: { readonly clock?: Clock; readonly keeperKey?: KeeperKey | undefined } = {},
): Promise<RebuildReport> => {
  const { keeperKey } = options;
  const passedOver: { version: number; why: string }[] = [];
  for await (const { name } of vault.store.list(cataloguePrefix(machineId))) {
    const version = catalogueVersionOf(name);
    if (version === undefined) continue;
    try {
      const found = await readCatalogue(vault, machineId, version);
      if (found === undefined) continue;
      if (keeperKey?.hasVouched({ machineId, version }, found.claim) === false) {
        passedOver.push({ version, why: 'no keeper with this key vouched for it' });
        continue;
      }
      await requireAll(vault, machineId, found.catalogue);
      const base: CatalogueVersion = found;
      return { ...(await repairMachine(vault, machineId, { ...options, base })), basedOn: version, passedOver };
    } catch (reason) {
      if (!isHoldfastError(reason, 'DAMAGED')) throw reason;
      passedOver.push({ version, why: `${reason.thing}: ${reason.why}` });
    }
  }
  // Slots are deleted from the first one on: while that is there the log tells everything.
  if ((passedOver.length > 0 || keeperKey !== undefined) && (await ifPresent(vault.store.stat(slotName(machineId, 0)))) === undefined)
    throw new HoldfastError('DAMAGED', {
      thing: cataloguePrefix(machineId),
      why: `none of its ${passedOver.length} versions can be used, and the log does not begin with its first slot any more; nothing was changed`,
      remedy: 'put what is damaged back out of a copy of the vault: `holdfast vault repair --from URL`',
    });
  // What a keeper vouches for is built upon nothing else that is there.
  const base = keeperKey && ('log' as const);
  return { ...(await repairMachine(vault, machineId, { ...options, ...(base && { base }) })), basedOn: 0, passedOver };
};

/** Errors: DAMAGED when an object that the version needs is not there, or its head cannot be read. */
const requireAll = async (vault: Vault, machineId: string, { history, runs }: Catalogue): Promise<void> => {
  const levels = new LevelSource(vault, machineId);
  for (const { object } of history) await readReferenced(vault, machineId, OBJECT_KIND.history, object);
  for (const ref of runs)
    for (const { object } of (await levels.run(ref)).parts) {
      const name = referencedName(machineId, OBJECT_KIND.part as ReferencedKind, idText(object!.id))!;
      const info = await ifPresent(vault.store.stat(name));
      // A head that is damaged tells why.
      if (info?.size !== Number(object!.size)) await readReferenced(vault, machineId, OBJECT_KIND.part, object);
    }
};
