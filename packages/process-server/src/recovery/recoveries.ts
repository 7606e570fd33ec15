import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { isId, type RecoveryReportSchema, type WantedRecovery } from '@holdfast/protocol';
import { writeWhole } from '../control/write-whole.ts';
import { createRecoveryWorker, type RecoveryWorker, type RecoveryWorkerOptions } from './recovery-worker.ts';
import { parseWanted, type Wanted, wantedOf, wantedText } from './wanted.ts';

/** All recoveries of this server. What is wanted is kept on disk: machines are looked after while the configuration server is away. */
export interface Recoveries {
  /** What is wanted now. One that is not named any more is left as it is; one that is gone and not named is forgotten. */
  want(recoveries: readonly WantedRecovery[]): Promise<void>;
  reports(): readonly MessageInitShape<typeof RecoveryReportSchema>[];
  close(): Promise<void>;
}

export interface RecoveriesOptions extends Omit<RecoveryWorkerOptions, 'directory'> {
  /** Keeps a file and a directory for each recovery. */
  readonly directory: string;
}

export const openRecoveries = async (options: RecoveriesOptions): Promise<Recoveries> => {
  const { directory, log } = options;
  const workers = new Map<string, RecoveryWorker>();
  const fileOf = (id: string): string => path.join(directory, `${id}.json`);
  const begin = (wanted: Wanted): void => {
    workers.set(wanted.id, createRecoveryWorker(wanted, { ...options, directory: path.join(directory, wanted.id) }));
  };

  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const name of await readdir(directory)) {
    const id = name.endsWith('.json') ? name.slice(0, -'.json'.length) : '';
    if (!isId(id)) continue;
    try {
      begin(parseWanted(await readFile(fileOf(id), 'utf8')));
    } catch (error) {
      log.warn('What was wanted of a recovery cannot be read; it rests until the configuration server says it again', {
        recovery: id,
        error,
      });
    }
  }

  return {
    async want(messages) {
      const named = new Set<string>();
      for (const message of messages) {
        const wanted = wantedOf(message);
        if (wanted === undefined) continue;
        named.add(wanted.id);
        await writeWhole(fileOf(wanted.id), wantedText(wanted));
        const worker = workers.get(wanted.id);
        if (worker === undefined) begin(wanted);
        else worker.want(wanted);
      }
      for (const [id, worker] of workers) {
        if (named.has(id) || !worker.isGone) continue;
        workers.delete(id);
        await worker.close();
        await rm(path.join(directory, id), { recursive: true, force: true });
        await rm(fileOf(id), { force: true });
      }
    },
    reports: () => [...workers.values()].map(({ report }) => report),
    async close() {
      await Promise.all([...workers.values()].map((worker) => worker.close()));
    },
  };
};
