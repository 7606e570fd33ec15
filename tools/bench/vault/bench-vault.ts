import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { createFolderStore, type ObjectStore } from '@holdfast/object-store';
import { createVault, openLogWriter, registerMachine, type Vault, writeKeyFile } from '@holdfast/vault';
import { openFrameSource } from './frame-source.ts';
import { BenchSource } from './source.ts';

/** A new vault with one machine. */
export interface BenchVault {
  readonly directory: string;
  readonly keyFile: string;
  readonly vault: Vault;
  readonly source: BenchSource;
}

/** In a folder of its own below `directory`, unless told of another store. */
export const createBenchVault = async (directory: string, size: number, store?: ObjectStore): Promise<BenchVault> => {
  const folder = path.join(directory, 'vault');
  await mkdir(folder, { recursive: true });
  const keyFile = path.join(directory, 'key');
  const vault = await createVault(store ?? createFolderStore(folder), { name: 'bench', keys: [await writeKeyFile(keyFile)] });
  const source = new BenchSource(size);
  await registerMachine(vault, { id: source.machineId, name: 'bench' });
  return { directory: folder, keyFile, vault, source };
};

/** A vault that holds an image at its only point. */
export const copyIntoVault = async (directory: string, image: string, size: number): Promise<BenchVault> => {
  const made = await createBenchVault(directory, size);
  // Told of in a catalogue at once: what is not is none of the keeper's business.
  const writer = await openLogWriter(made.vault, made.source.machineId, { checkpoint: { slots: 1 } });
  const frames = openFrameSource();
  await made.source.copy(writer, image, frames);
  await frames.close();
  await writer.close();
  return made;
};
