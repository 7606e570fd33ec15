import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@holdfast/daemon';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { type BackupKept, isId } from '@holdfast/protocol';
import type { TrackedReader } from '../control/follow.ts';
import type { ServerPresence } from '../control/presence.ts';
import { restoredOf } from '../reconcile/restored.ts';
import { find, type Kind, listAll, plainKind } from '../records/kind.ts';
import { transact } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';
import { vaultName, vaultNamed } from '../vaults/vault-record.ts';

/** That a process server is to put a backup into a vault; its id follows from that of the vault, or from its name where no more is known. */
interface WantedRecord {
  readonly vault: string;
  readonly server: string;
  /** What the backup has to hold at least. */
  readonly revision: number;
}

export const wantedBackups: Kind<WantedRecord> = plainKind('vault-backup', 1);

/** Records whose changes are no reason for a backup: they follow from what happens, or are of this server's life. */
const NO_REASON = ['vault-backup/', 'anchor/', 'courier/', 'alert/', 'alert-silence/'] as const;

export interface VaultBackupsOptions {
  readonly store: StateStore;
  readonly servers: ServerPresence;
  /** Undefined where no passphrase is set: nothing is put into vaults then. */
  readonly make: (() => AsyncIterable<Uint8Array>) | undefined;
  /** Milliseconds between two backups into one vault. */
  readonly pace: number;
  /** How many stay in each vault. */
  readonly keep: number;
  readonly log: Log;
  readonly now?: () => number;
}

/** Backups that process servers put into the vaults they hold: this server has no keys to them, and no way there. */
export interface VaultBackups {
  readonly keep: number;
  /** Whose are wanted of this process server. */
  wantedOf(reader: TrackedReader, server: string): Promise<readonly { readonly vault: string; readonly revision: bigint }[]>;
  /** The bytes for a process server that was asked. Rejects with NO_PERMISSION for one that was not. */
  fetch(server: string, vault: string): AsyncIterable<Uint8Array>;
  /** What became of them, as process servers told since they connected. */
  kept(): readonly BackupKept[];
  /** What is not well with them, in words. */
  problem(): string | undefined;
  /** Asks for them after changes, until `stopping` aborts. */
  run(stopping: AbortSignal): Promise<void>;
}

/** Milliseconds between looks. */
const LOOK = 1000;
/** Milliseconds a vault may be without the backup that is wanted, beyond the pace, before that is a problem. */
const PATIENCE = 15 * 60_000;

const idOf = (vault: string): string => createHash('sha256').update(vault).digest('hex').slice(0, 32);

export const createVaultBackups = ({ store, servers, make, pace, keep, log, now = Date.now }: VaultBackupsOptions): VaultBackups => {
  /** The newest revision that is a reason for a backup. */
  let changed = store.revision();
  /** When each vault was asked for last, and since when it has not what it was asked for. */
  const asked = new Map<string, { name: string; at: number; lacking: number | undefined }>();

  const watch = async (stopping: AbortSignal): Promise<void> => {
    while (!stopping.aborted)
      try {
        for await (const { revision, keys } of store.watch(changed, stopping))
          if (keys.some((key) => !NO_REASON.some((prefix) => key.startsWith(prefix)))) changed = revision;
      } catch (reason) {
        if (!isHoldfastError(reason, 'CHANGES_COMPACTED')) throw reason;
        changed = store.revision();
      }
  };

  const kept = (): readonly BackupKept[] => servers.connected().flatMap((id) => servers.get(id)?.report?.backups ?? []);

  const keptIn = (vault: string): number => Math.max(0, ...kept().map((backup) => (backup.vault === vault ? Number(backup.revision) : 0)));

  /** The connected server that puts backups into each vault: the same as long as it is there. */
  const chosen = async (): Promise<ReadonlyMap<string, string>> => {
    const holders = new Map<string, string[]>();
    for (const id of servers.connected())
      for (const vault of servers.get(id)?.hello.vaults ?? []) holders.set(vault, [...(holders.get(vault) ?? []), id]);
    const choice = new Map<string, string>();
    for (const [vault, ids] of holders) {
      const before = (await find(store, wantedBackups, idOf(vault)))?.value.server;
      choice.set(vault, before !== undefined && ids.includes(before) ? before : ids.toSorted()[0]!);
    }
    return choice;
  };

  const ask = async (): Promise<void> => {
    // What a server that was restored does not know yet must not take the place of backups that do.
    if ((await restoredOf(store)) !== undefined) return;
    for (const [vault, server] of await chosen()) {
      const state = asked.get(vault) ?? { name: vault, at: Number.NEGATIVE_INFINITY, lacking: undefined };
      state.name = await vaultName(store, vault);
      asked.set(vault, state);
      const record = (await find(store, wantedBackups, idOf(vault)))?.value;
      const has = keptIn(vault);
      state.lacking = has >= (record?.revision ?? 1) ? undefined : (state.lacking ?? now());
      const isDue = changed > has && changed > (record?.revision ?? 0) && now() - state.at >= pace;
      const isElsewhere = record !== undefined && record.server !== server;
      if (!isDue && !isElsewhere && record !== undefined) continue;
      state.at = now();
      await transact(store, async (transaction) =>
        transaction.put(wantedBackups, idOf(vault), { vault, server, revision: Math.max(changed, record?.revision ?? 0) }),
      );
    }
  };

  return {
    keep,
    kept,
    async wantedOf(reader, server) {
      if (make === undefined) return [];
      const all = await reader.list(wantedBackups, '');
      return all
        .filter(({ value }) => value.server === server)
        .map(({ value }) => ({ vault: value.vault, revision: BigInt(value.revision) }));
    },
    async *fetch(server, called) {
      // Process servers of an earlier version say what their settings call it.
      const vault = isId(called) ? called : ((await vaultNamed(store, called))?.id ?? called);
      const record = (await find(store, wantedBackups, idOf(vault)))?.value;
      if (make === undefined || record?.server !== server)
        throw new HoldfastError('NO_PERMISSION', {
          thing: 'backup of the configuration server',
          why: `this server was not asked to put one into vault ${vault.slice(0, 64)}`,
          remedy: 'wait until it is asked to',
        });
      yield* make();
    },
    problem() {
      if (make === undefined) return undefined;
      const [failed] = kept().filter(({ problemCode }) => problemCode !== '');
      const [late] = [...asked].filter(([, { lacking }]) => lacking !== undefined && now() - lacking > pace + PATIENCE);
      if (late === undefined) return undefined;
      return `no backup could be put into vault ${late[1].name}${failed === undefined ? '' : `: ${failed.problemCode} ${failed.problem}`}`;
    },
    async run(stopping) {
      if (make === undefined) return;
      const watching = watch(stopping);
      while (!stopping.aborted) {
        try {
          await ask();
        } catch (error) {
          log.warn('Backups into vaults could not be asked for; it is tried again', { error });
        }
        await sleep(LOOK, undefined, { signal: stopping }).catch(() => undefined);
      }
      await watching;
    },
  };
};

/** Forgets what was asked of whom: for a state that goes on elsewhere. */
export const forgetWantedBackups = async (store: StateStore): Promise<void> => {
  const ids: string[] = [];
  for await (const { id } of listAll(store, wantedBackups)) ids.push(id);
  if (ids.length > 0)
    await transact(store, async (transaction) => {
      for (const id of ids) transaction.delete(wantedBackups, id);
    });
};
