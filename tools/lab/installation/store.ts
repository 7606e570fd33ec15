import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { startAzurite } from '../../azurite/index.ts';
import type { RunContext } from '../context.ts';
import { cpuSecondsOf } from '../host/processes.ts';

/** Azure Blob storage on this machine, as a process of its own. */
export interface LabStore {
  /** Of a container of its own. */
  readonly url: string;
  /** The file with the key of its account. */
  readonly accountKeyFile: string;
  /** As of the last `sample`. */
  readonly cpuSeconds: number;
  sample(): void;
  stop(): Promise<void>;
}

/** Starts Azurite in a folder below `directory`. */
export const startStore = async ({ recorder }: RunContext, directory: string): Promise<LabStore> => {
  const folder = path.join(directory, 'azurite');
  mkdirSync(folder);
  const azurite = await startAzurite({ folder, detached: true });
  recorder.noteProcess(azurite.pid);
  const accountKeyFile = path.join(directory, 'azure-account.key');
  writeFileSync(accountKeyFile, azurite.key, { mode: 0o600 });
  let cpuSeconds = 0;
  return {
    url: await azurite.createContainer('lab'),
    accountKeyFile,
    get cpuSeconds() {
      return cpuSeconds;
    },
    sample: () => {
      cpuSeconds = cpuSecondsOf(azurite.pid) ?? cpuSeconds;
    },
    stop: () => azurite.stop(),
  };
};
