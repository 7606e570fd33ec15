import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { HoldfastError } from '@holdfast/errors';
import { openStore } from '@holdfast/object-store';
import { type MachineHistory, openVault, readKeyFile, readMachine } from '@holdfast/vault';
import type { Person } from '../site/cli-process.ts';
import type { RunContext } from './context.ts';
import type { LabStore } from './installation/store.ts';

/** The run's vault, as programs are told of it. */
export interface LabVault {
  readonly url: string;
  readonly keyFile: string;
  /** The file with the key of the store's account; undefined for a folder. */
  readonly accountKeyFile: string | undefined;
  /** For people: a folder, or what the store is. */
  readonly place: string;
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

/** Folder of the vault where that is no store of the run's own: as told, and for a vault that shall be kept. */
export const vaultFolder = (options: RunContext['options'], directory: string): string | undefined =>
  options.vault ?? (options.keep ? path.join(directory, 'vault') : undefined);

const prepareFolder = ({ recorder }: RunContext, directory: string): string => {
  recorder.note(existsSync(directory) ? { emptied: [directory] } : { paths: [firstMissing(directory)] });
  mkdirSync(directory, { recursive: true });
  return pathToFileURL(directory).href;
};

/** What a program needs in its environment to read the vault. */
export const environmentOf = ({ accountKeyFile }: Pick<LabVault, 'accountKeyFile'>): Readonly<Record<string, string>> =>
  accountKeyFile === undefined ? {} : { AZURE_STORAGE_KEY_FILE: accountKeyFile };

/** Creates the run's vault with a key file of its own, by `holdfast vault create`: in the store, or without one in a folder. */
export const createLabVault = async (context: RunContext, person: Person, store: LabStore | undefined): Promise<LabVault> => {
  const { directory } = context.recorder.record;
  const folder = vaultFolder(context.options, directory);
  const vault: LabVault = {
    url: store?.url ?? prepareFolder(context, folder!),
    keyFile: path.join(directory, 'vault.key'),
    accountKeyFile: store?.accountKeyFile,
    place: store === undefined ? folder! : 'Azure Blob storage (Azurite)',
  };
  const kit = path.join(directory, 'recovery-kit.txt');
  const args = ['vault', 'create', '--store', vault.url, '--name', 'lab', '--new-key-file', vault.keyFile, '--recovery-kit', kit];
  await person.json(args, { environment: environmentOf(vault) });
  return vault;
};

export interface OpenedLabVault {
  readonly history: MachineHistory;
  /** Bytes of all objects. */
  readonly storedBytes: number;
  close(): Promise<void>;
}

/** Opens the vault again from nothing but its place and its key, and reads everything the machine's log says. */
export const openLabVault = async (lab: LabVault, machineId: string): Promise<OpenedLabVault> => {
  const vault = await openVault(await openStore(lab.url, { environment: environmentOf(lab) }), await readKeyFile(lab.keyFile));
  try {
    let storedBytes = 0;
    for await (const { size } of vault.store.list('')) storedBytes += size;
    return { history: await readMachine(vault, machineId), storedBytes, close: () => vault.close() };
  } catch (reason) {
    await vault.close();
    throw reason;
  }
};
