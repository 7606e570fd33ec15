import { create, toBinary } from '@bufbuild/protobuf';
import { ERROR_CODES, type ErrorCode, isHoldfastError } from '@holdfast/errors';
import { idBytes, idText, type ScrubRecords, ScrubRecordsSchema } from '@holdfast/protocol';
import { damaged } from './damage.ts';
import type { Finding } from './finding.ts';
import { OBJECT_KIND } from './object-header.ts';
import { scrubName, scrubNumberOf, scrubPrefix } from './object-names.ts';
import { decodeRecords, readHead } from './read-object.ts';
import type { MachineWriter } from './referenced-object.ts';
import { NO_TAG, sealObject } from './sealed-object.ts';
import type { VaultAccess } from './vault-access.ts';

/*
 * How far scrubbing is, kept in the vault: whoever scrubs goes on where the one before stopped. docs/format.md, "Scrubbing".
 */

/** How far a round of scrubbing is. */
export interface ScrubProgress {
  /** 1, 2, 3 …; 0 before the first. */
  readonly round: number;
  /** Milliseconds since 1970 by the clocks of those who scrubbed. */
  readonly started: number;
  readonly recorded: number;
  /** The last object read, by its name; empty at the beginning. */
  readonly done: string;
  readonly complete: boolean;
  readonly objects: number;
  readonly bytes: number;
  readonly findings: readonly Finding[];
  /** When the last complete round ended; 0 before that. */
  readonly lastComplete: number;
}

export const NEVER_SCRUBBED: ScrubProgress = {
  round: 0,
  started: 0,
  recorded: 0,
  done: '',
  complete: true,
  objects: 0,
  bytes: 0,
  findings: [],
  lastComplete: 0,
};

/** Rot may make a record look as if it were of a newer format. */
const STEPPED_OVER: readonly ErrorCode[] = ['DAMAGED', 'OBJECT_NOT_FOUND', 'VAULT_VERSION_UNSUPPORTED'];

/** The newest record and its number; one that is damaged is stepped over: all it costs is reading some objects again. */
export const readScrubRecord = async (
  vault: VaultAccess,
  machineId: string,
): Promise<{ readonly number: number; readonly progress: ScrubProgress }> => {
  let highest = 0;
  for await (const { name } of vault.store.list(scrubPrefix(machineId))) {
    const number = scrubNumberOf(name);
    if (number === undefined) continue;
    highest = Math.max(highest, number);
    try {
      const head = await readHead(vault, name, { kind: OBJECT_KIND.scrub, machineId, number });
      return { number: highest, progress: progressOf(machineId, name, decodeRecords(ScrubRecordsSchema, head, name)) };
    } catch (reason) {
      if (!STEPPED_OVER.some((code) => isHoldfastError(reason, code))) throw reason;
    }
  }
  return { number: highest, progress: NEVER_SCRUBBED };
};

/** Errors: DAMAGED. */
const progressOf = (machineId: string, name: string, records: ScrubRecords): ScrubProgress => {
  const { round, objects, bytes } = records;
  // They are counted on.
  if ([round, objects, bytes].some((number) => number > LARGEST)) throw damaged(name, 'a number in it is impossible');
  return toProgress(machineId, records);
};

const LARGEST = 2n ** 52n;

const toProgress = (machineId: string, records: ScrubRecords): ScrubProgress => ({
  round: Number(records.round),
  started: Number(records.roundStartedUnixMillis),
  recorded: Number(records.recordedUnixMillis),
  done: records.done === '' ? '' : `m/${machineId}/${records.done}`,
  complete: records.complete,
  objects: Number(records.objects),
  bytes: Number(records.bytes),
  lastComplete: Number(records.lastCompleteUnixMillis),
  findings: records.findings.map(({ object, code, why, diskId, extents }) => ({
    object: `m/${machineId}/${object}`,
    code: Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'DAMAGED',
    why,
    ...(diskId.length > 0 && {
      diskId: idText(diskId),
      extents: extents.map(({ offset, length }) => ({ offset: Number(offset), length: Number(length) })),
    }),
  })),
});

/** Records the progress under the number; false when somebody else did so. Errors: NO_PERMISSION, for those who may only read. */
export const createScrubRecord = async (
  { vault, machineId, keyEpoch }: MachineWriter,
  number: number,
  { round, started, recorded, done, complete, objects, bytes, findings, lastComplete }: ScrubProgress,
): Promise<boolean> => {
  const behind = `m/${machineId}/`.length;
  const records = create(ScrubRecordsSchema, {
    recordedUnixMillis: BigInt(recorded),
    round: BigInt(round),
    roundStartedUnixMillis: BigInt(started),
    done: done.slice(behind),
    complete,
    objects: BigInt(objects),
    bytes: BigInt(bytes),
    lastCompleteUnixMillis: BigInt(lastComplete),
    findings: findings.slice(0, MOST_FINDINGS).map(({ object, code, why, diskId, extents = [] }) => ({
      object: object.slice(behind),
      code,
      why,
      ...(diskId !== undefined && {
        diskId: idBytes(diskId),
        extents: extents.map(({ offset, length }) => ({ offset: BigInt(offset), length: BigInt(length) })),
      }),
    })),
  });
  vault.keys.assertOpen();
  const { bytes: sealed } = sealObject(
    await vault.keys.keyOf(machineId, keyEpoch),
    { kind: OBJECT_KIND.scrub, keyEpoch, vaultId: vault.id, machineId, number, previousTag: NO_TAG },
    { records: toBinary(ScrubRecordsSchema, records), index: new Uint8Array(0), frames: [] },
  );
  try {
    await vault.store.create(scrubName(machineId, number), sealed);
    return true;
  } catch (reason) {
    if (!isHoldfastError(reason, 'OBJECT_EXISTS')) throw reason;
    return false;
  }
};

/** Findings that a record keeps; where there are more the disk is to be replaced, not its blocks counted. */
const MOST_FINDINGS = 1000;
