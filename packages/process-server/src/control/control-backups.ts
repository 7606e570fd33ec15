import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { fetchBackup, type Log, type Membership } from '@holdfast/daemon';
import { fromSystem, isHoldfastError } from '@holdfast/errors';
import type { BackupKeptSchema, BackupWanted } from '@holdfast/protocol';
import { pruneControlBackups, putControlBackup, type Vault } from '@holdfast/vault';

/** Backups of the configuration server, which has no way to vaults of its own: fetched there and put under `control/`. */
export interface ControlBackups {
  /** What is wanted from now on. */
  want(backups: readonly BackupWanted[]): void;
  /** What became of it, for the report. */
  report(): readonly MessageInitShape<typeof BackupKeptSchema>[];
  run(stopping: AbortSignal): Promise<void>;
}

export interface ControlBackupsOptions {
  readonly membership: Pick<Membership, 'servers' | 'credentials'>;
  vault(name: string): Promise<Vault>;
  /** The vault for deleting, by another credential perhaps; undefined where this server may delete nothing. */
  readonly keeperVault: ((name: string) => Promise<Vault>) | undefined;
  readonly log: Log;
  /** How they are fetched, unless from the configuration server. */
  readonly fetch?: (vault: string, signal: AbortSignal) => AsyncIterable<Uint8Array>;
  /** Milliseconds before the next try after one that failed. */
  readonly again?: number;
}

/** Milliseconds before the next try after one that failed. */
const AGAIN = 60_000;

export const createControlBackups = ({
  membership,
  vault,
  keeperVault,
  log,
  fetch = (name, signal) => fetchBackup(membership, name, signal),
  again = AGAIN,
}: ControlBackupsOptions): ControlBackups => {
  let wanted: readonly BackupWanted[] = [];
  let wake = Promise.withResolvers<void>();
  const kept = new Map<string, MessageInitShape<typeof BackupKeptSchema> & { readonly revision: bigint }>();
  /** By vault, the numbers of those that were put from here. */
  const own = new Map<string, Set<number>>();

  const prune = async (name: string, siteId: string, keep: number): Promise<void> => {
    if (keeperVault === undefined) return;
    try {
      await pruneControlBackups((await keeperVault(name)).store, siteId, { keep, own: own.get(name) ?? new Set() });
    } catch (error) {
      if (isHoldfastError(error, 'NO_PERMISSION')) log.debug('Old backups stay: this server may not delete them', { vault: name });
      else log.warn('Old backups of the configuration server could not be deleted', { vault: name, error });
    }
  };

  /** False when it failed. */
  const put = async ({ vault: name, revision, keep, siteId }: BackupWanted, stopping: AbortSignal): Promise<boolean> => {
    const before = kept.get(name) ?? { vault: name, revision: 0n, unixMillis: 0n };
    try {
      const { number, bytes, put: at } = await putControlBackup((await vault(name)).store, siteId, fetch(name, stopping));
      kept.set(name, { vault: name, revision, unixMillis: BigInt(at) });
      log.info('A backup of the configuration server is in the vault', { vault: name, number, bytes });
      own.set(name, new Set(own.get(name)).add(number));
      await prune(name, siteId, keep);
      return true;
    } catch (reason) {
      if (stopping.aborted) return false;
      const error = fromSystem(reason, `vault ${name}`, 'INTERNAL');
      if (before.problemCode !== error.code)
        log.warn('A backup of the configuration server could not be put into the vault', { vault: name, error });
      kept.set(name, { ...before, problemCode: error.code, problem: error.message.slice(0, 500) });
      return false;
    }
  };

  return {
    want(backups) {
      wanted = backups;
      for (const name of kept.keys()) if (!backups.some((backup) => backup.vault === name)) kept.delete(name);
      wake.resolve();
    },
    report: () => [...kept.values()],
    async run(stopping) {
      stopping.addEventListener('abort', () => wake.resolve(), { once: true });
      while (!stopping.aborted) {
        wake = Promise.withResolvers();
        let allPut = true;
        for (const backup of wanted)
          if ((kept.get(backup.vault)?.revision ?? 0n) < backup.revision) allPut = (await put(backup, stopping)) && allPut;
        const rest = new AbortController();
        await Promise.race([wake.promise, allPut ? wake.promise : sleep(again, undefined, { signal: rest.signal }).catch(() => undefined)]);
        rest.abort();
      }
    },
  };
};
