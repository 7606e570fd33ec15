import { open, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { holdExclusively } from '@holdfast/block';
import { fromSystem, HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { MachineShape } from '../machine-shape.ts';
import { makeDirectory, readJson, writeWhole } from '../qemu/machine-directory.ts';
import type { Adaptation } from './recovery.ts';

/** What the directory of recoveries says of one of them, without vault or key. */
export interface RecoveryRecord {
  readonly operationId: string;
  readonly vaultId: string;
  readonly machineId: string;
  readonly pointId: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** Time of the point. */
  readonly pointTime: number;
  /** Hold in the vault, undefined when there is none. */
  readonly holdId: string | undefined;
  /** True while a process has it open. */
  readonly attended: boolean;
}

/** The record as it is kept. */
export interface KeptRecord extends Omit<RecoveryRecord, 'attended'> {
  readonly adaptation?: Adaptation;
  /** Decided once: taken up again, the machine has to be the same. */
  readonly shape?: MachineShape;
  /** It ran: from then on whether it is on is its own affair. */
  readonly started?: true;
  /** Boot of the host in which it is on, as far as is known: a machine that is off in another one did not switch itself off. */
  readonly boot?: string | undefined;
  /** It has all of its disks. */
  readonly hydrated?: true;
}

/** Where the things of one recovery are. */
export interface RecoveryFiles {
  readonly path: string;
  readonly record: string;
  readonly lock: string;
  readonly socket: string;
  /** What adaptation wrote to a disk. */
  layer(diskId: string): string;
}

const OPERATION = /^[0-9a-f]{32}$/;

export const recoveryFiles = (directory: string, operationId: string): RecoveryFiles => {
  if (!OPERATION.test(operationId))
    throw new HoldfastError('SETTING_INVALID', {
      thing: `operation ${JSON.stringify(operationId)}`,
      why: 'an id is 32 hexadecimal digits',
      remedy: 'correct it',
    });
  const own = path.join(path.resolve(directory), operationId);
  const at = (name: string): string => path.join(own, name);
  return { path: own, record: at('recovery.json'), lock: at('lock'), socket: at('nbd.sock'), layer: (diskId) => at(`${diskId}.layer`) };
};

export const readRecord = (files: RecoveryFiles): Promise<KeptRecord | undefined> => readJson<KeptRecord>(files.record);
export const writeRecord = (files: RecoveryFiles, record: KeptRecord): Promise<void> => writeWhole(files.record, JSON.stringify(record));

/** Makes this process the one that has the recovery open, until it lets go or ends. Error: ALREADY_RUNNING. */
export const lockRecovery = async (files: RecoveryFiles): Promise<() => Promise<void>> => {
  await makeDirectory(files.path);
  const handle = await open(files.lock, 'a', 0o600).catch((reason: unknown) => {
    throw fromSystem(reason, files.lock);
  });
  await handle.close();
  try {
    return await holdExclusively(files.lock);
  } catch (cause) {
    if (!isHoldfastError(cause, 'DEVICE_IN_USE')) throw cause;
    throw new HoldfastError('ALREADY_RUNNING', {
      thing: `recovery ${path.basename(files.path)}`,
      why: 'another process has it open',
      remedy: 'end that one first, or leave it to it',
      cause,
    });
  }
};

const isAttended = async (files: RecoveryFiles): Promise<boolean> => {
  try {
    await (await holdExclusively(files.lock))();
    return false;
  } catch (reason) {
    return isHoldfastError(reason, 'DEVICE_IN_USE');
  }
};

/** The recoveries of a directory that came as far as to be written down. */
export const listRecoveries = async (directory: string): Promise<RecoveryRecord[]> => {
  const names = await readdir(directory).catch((reason: NodeJS.ErrnoException) => {
    if (reason.code === 'ENOENT') return [];
    throw fromSystem(reason, directory);
  });
  const records: RecoveryRecord[] = [];
  for (const name of names.filter((one) => OPERATION.test(one)).sort()) {
    const files = recoveryFiles(directory, name);
    const record = await readRecord(files);
    if (record === undefined) continue;
    const { operationId, vaultId, machineId, pointId, name: machine, created, pointTime, holdId } = record;
    const attended = await isAttended(files);
    records.push({ operationId, vaultId, machineId, pointId, name: machine, created, pointTime, holdId, attended });
  }
  return records.sort((a, b) => a.created - b.created);
};

export const removeRecovery = async (files: RecoveryFiles): Promise<void> => {
  await rm(files.path, { recursive: true, force: true }).catch((reason: unknown) => {
    throw fromSystem(reason, files.path);
  });
};
