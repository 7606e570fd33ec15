import { until } from '../jobs/until.ts';
import type { Stored } from '../records/kind.ts';
import { find } from '../records/kind.ts';
import { type RestoredRecord, SITE, type SiteRecord, sites } from '../records/kinds.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import type { Notifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';

/** Something that reads one site record: the store, a transaction, or a reader that is followed. */
interface SiteReader {
  get(kind: typeof sites, id: string): Promise<Stored<SiteRecord> | undefined>;
}

/** What this server was restored from, while nobody has confirmed that it knows what it has to know. */
export const restoredNow = async (reader: SiteReader): Promise<RestoredRecord | undefined> => {
  const restored = (await reader.get(sites, SITE))?.value.restored;
  return restored?.ended === undefined ? restored : undefined;
};

/** The same, of the store. */
export const restoredOf = (store: StateStore): Promise<RestoredRecord | undefined> =>
  restoredNow({ get: (kind, id) => find(store, kind, id) });

/** The same within a commit, which fails when it changes meanwhile. */
export const restoredIn = (transaction: Pick<Transaction, 'read'>): Promise<RestoredRecord | undefined> =>
  restoredNow({ get: (kind, id) => transaction.read(kind, id) });

/** Ends the wait: members are told again what is wanted of them. Gives false when there was nothing to end. */
export const endReconciliation = async (store: StateStore, actor: string, words: string): Promise<boolean> => {
  const { result } = await transact(store, async (transaction) => {
    const site = await transaction.read(sites, SITE);
    const restored = site?.value.restored;
    if (site === undefined || restored === undefined || restored.ended !== undefined) return false;
    transaction.put(sites, SITE, { ...site.value, restored: { ...restored, ended: Date.now(), endedBy: actor } });
    transaction.event({ severity: 'warning', code: 'restore-confirmed', text: words, subject: '', actor });
    transaction.audit({ actor, action: 'ConfirmRestore', subject: '', detail: words });
    return true;
  });
  return result;
};

/** Resolves when nothing waits for a reconciliation, or when `signal` aborts. */
export const whenReconciled = async (store: StateStore, notifier: Notifier, signal: AbortSignal): Promise<void> => {
  const isOver = async (): Promise<true | undefined> => ((await restoredOf(store)) === undefined ? true : undefined);
  await until(isOver, [(listener) => notifier.subscribe([sites.key(SITE)], listener)], signal);
};
