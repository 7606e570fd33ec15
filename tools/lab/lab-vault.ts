import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { HoldfastError } from '@holdfast/errors';
import { openStore } from '@holdfast/object-store';
import { createVault, type MachineHistory, openVault, readKeyFile, readMachine, registerMachine, writeKeyFile } from '@holdfast/vault';
import type { RunContext } from './context.ts';

/** The run's vault as its programs are told of it. */
export interface LabVault {
  readonly directory: string;
  readonly url: string;
  readonly keyFile: string;
}

export interface LabMachine {
  readonly id: string;
  readonly name: string;
}

/** The topmost part of a path that does not exist. */
const firstMissing = (directory: string): string => {
  const parent = path.dirname(directory);
  return existsSync(parent) ? directory : firstMissing(parent);
};

/** Refuses a place for the vault that holds something already. */
export const refuseUsedFolder = (directory: string): void => {
  if (!existsSync(directory) || readdirSync(directory).length === 0) return;
  throw new HoldfastError('VAULT_EXISTS', {
    thing: directory,
    why: 'it is not empty, and the lab takes its vault away in the end',
    remedy: 'name a folder that does not exist or is empty',
  });
};

/** Creates the run's vault with a key file of its own, and makes the machine known to it. */
export const createLabVault = async ({ options, recorder }: RunContext, machine: LabMachine): Promise<LabVault> => {
  const directory = options.vault ?? path.join(recorder.record.directory, 'vault');
  recorder.note(existsSync(directory) ? { emptied: [directory] } : { paths: [firstMissing(directory)] });
  mkdirSync(directory, { recursive: true });
  const keyFile = path.join(recorder.record.directory, 'vault.key');
  const url = pathToFileURL(directory).href;
  const vault = await createVault(await openStore(url), { name: 'lab', keys: [await writeKeyFile(keyFile)] });
  try {
    await registerMachine(vault, machine);
  } finally {
    await vault.close();
  }
  return { directory, url, keyFile };
};

export interface OpenedLabVault {
  readonly history: MachineHistory;
  /** Bytes of all objects. */
  readonly storedBytes: number;
  close(): Promise<void>;
}

/** Opens the vault again from nothing but its place and its key, and reads everything the machine's log says. */
export const openLabVault = async ({ url, keyFile }: LabVault, machineId: string): Promise<OpenedLabVault> => {
  const vault = await openVault(await openStore(url), await readKeyFile(keyFile));
  try {
    let storedBytes = 0;
    for await (const { size } of vault.store.list('')) storedBytes += size;
    return { history: await readMachine(vault, machineId), storedBytes, close: () => vault.close() };
  } catch (reason) {
    await vault.close();
    throw reason;
  }
};
