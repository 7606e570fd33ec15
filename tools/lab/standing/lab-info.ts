import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ProcessIdentity } from '../host/processes.ts';
import type { LabVault } from '../lab-vault.ts';
import { type FoundRecord, findRecords } from '../record/run-record.ts';

/** What a standing lab tells of itself, in a file of its directory. */
export interface LabInfo {
  /** Of the configuration server. */
  readonly url: string;
  readonly fingerprint: string;
  readonly tokenFile: string;
  /** Directory of the login. */
  readonly contexts: string;
  readonly machineId: string;
  readonly vault: LabVault;
  readonly disks: readonly LabInfoDisk[];
  readonly programs: readonly LabInfoProgram[];
}

export interface LabInfoDisk {
  readonly device: string;
  readonly mountPoint: string;
}

export interface LabInfoProgram {
  readonly name: string;
  readonly process: ProcessIdentity;
  /** Times it ended unasked and was started again. */
  readonly restarts: number;
  readonly logFile: string;
}

const infoFile = (directory: string): string => path.join(directory, 'lab.json');

export const writeLabInfo = (directory: string, info: LabInfo): void => {
  writeFileSync(`${infoFile(directory)}.new`, JSON.stringify(info, null, 2), { mode: 0o600 });
  renameSync(`${infoFile(directory)}.new`, infoFile(directory));
};

/** Undefined while the lab is not up yet. */
export const readLabInfo = (directory: string): LabInfo | undefined => {
  try {
    return JSON.parse(readFileSync(infoFile(directory), 'utf8')) as LabInfo;
  } catch {
    return undefined;
  }
};

/** The standing lab of this machine, or what is left of it. */
export const findStandingLab = (): FoundRecord | undefined => findRecords().find(({ record }) => record.standing === true);
