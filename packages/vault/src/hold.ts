import { create, toBinary } from '@bufbuild/protobuf';
import { isHoldfastError } from '@holdfast/errors';
import { HoldRecordsSchema, idBytes, idText, newId } from '@holdfast/protocol';
import { newestCatalogue } from './catalogue.ts';
import { type Clock, systemClock } from './clock.ts';
import { damaged } from './damage.ts';
import type { MachineHistory } from './history.ts';
import { OBJECT_KIND } from './object-header.ts';
import { holdName, holdPrefix } from './object-names.ts';
import { readMachine } from './read-machine.ts';
import { decodeRecords, readHead } from './read-object.ts';
import { NO_TAG, sealObject } from './sealed-object.ts';
import type { Vault } from './vault.ts';
import type { VaultAccess } from './vault-access.ts';

export interface HoldOptions {
  /** Points that stay, whatever retention says. */
  readonly points?: readonly string[];
  /** Milliseconds by the clock of the store; without it until it is released. */
  readonly lasts?: number;
  /** For people. */
  readonly reason: string;
  readonly clock?: Clock;
}

/** What somebody needs, kept from being deleted. */
export interface Hold {
  readonly id: string;
  /** The machine as it was when the hold took effect: all of this stays. */
  readonly history: MachineHistory;
  release(): Promise<void>;
}

const ATTEMPTS = 5;

/**
 * Holds everything that a machine's newest catalogue refers to, for a reader or a failover. Errors: MACHINE_NOT_FOUND, NO_PERMISSION (who may only read
 * reads without a hold).
 */
export const holdMachine = async (vault: Vault, machineId: string, options: HoldOptions): Promise<Hold> => {
  for (let attempt = 1; ; attempt += 1) {
    const history = await readMachine(vault, machineId);
    const id = await holdAlso(history, options);
    const release = (): Promise<void> => releaseHold(vault, machineId, id);
    // What was published meanwhile was perhaps published by somebody who did not see the hold.
    const { highest } = await newestCatalogue(vault, machineId);
    if (highest === (history.catalogue?.version ?? 0) || attempt === ATTEMPTS) return { id, history, release };
    await release();
  }
};

/** A hold on what is held already, by another one that has not ended. The id of the new one. */
export const holdAlso = async (
  { vault, machine: { id: machineId }, catalogue }: MachineHistory,
  { points = [], lasts = 0, reason, clock = systemClock }: HoldOptions,
): Promise<string> => {
  const id = newId();
  const keyEpoch = await vault.keys.newestEpoch(machineId);
  const records = create(HoldRecordsSchema, {
    id: idBytes(id),
    createdUnixMillis: BigInt(clock.now()),
    lastsMillis: BigInt(lasts),
    catalogue: BigInt(catalogue?.version ?? 0),
    pointIds: points.map(idBytes),
    reason,
  });
  const { bytes } = sealObject(
    await vault.keys.keyOf(machineId, keyEpoch),
    { kind: OBJECT_KIND.hold, keyEpoch, vaultId: vault.id, machineId, number: 0, previousTag: NO_TAG },
    { records: toBinary(HoldRecordsSchema, records), index: new Uint8Array(0), frames: [] },
  );
  await vault.store.create(holdName(machineId, id), bytes);
  return id;
};

/** A hold as those see it who would delete. */
export interface HoldSummary {
  readonly id: string;
  /** By the clock of the store, milliseconds since 1970; when it ends, infinity for one without end. */
  readonly created: number;
  readonly ends: number;
  /** Objects that catalogue versions above this one did without stay. */
  readonly catalogue: number;
  readonly points: readonly string[];
  readonly reason: string;
}

/** The holds on a machine, those that have ended too. Errors: DAMAGED: what cannot be read may hold anything. */
export const listHolds = async (vault: VaultAccess, machineId: string): Promise<HoldSummary[]> => {
  const holds: HoldSummary[] = [];
  for await (const { name, created } of vault.store.list(holdPrefix(machineId))) {
    try {
      const head = await readHead(vault, name, { kind: OBJECT_KIND.hold, machineId, number: 0 });
      const { id, lastsMillis, catalogue, pointIds, reason } = decodeRecords(HoldRecordsSchema, head, name);
      if (name !== holdName(machineId, idText(id))) throw damaged(name, `it is hold ${idText(id)}`);
      const ends = lastsMillis === 0n ? Number.POSITIVE_INFINITY : created + Number(lastsMillis);
      holds.push({ id: idText(id), created, ends, catalogue: Number(catalogue), points: pointIds.map(idText), reason });
    } catch (reason) {
      // Released since it was listed.
      if (!isHoldfastError(reason, 'OBJECT_NOT_FOUND')) throw reason;
    }
  }
  return holds;
};

/** Takes a hold away; resolves too when it is gone already. Errors: NO_PERMISSION. */
export const releaseHold = (vault: VaultAccess, machineId: string, id: string): Promise<void> =>
  vault.store.delete(holdName(machineId, id));
