import type { ServerPresence } from '../control/presence.ts';
import { find, listAll } from '../records/kind.ts';
import { assignments, servers } from '../records/kinds.ts';
import type { StateStore } from '../state/state-store.ts';

/** Connected process servers that hold a vault and say where they are reached. */
export const serversWith = (presence: ServerPresence, vault: string): readonly string[] =>
  presence.connected().filter((id) => {
    const hello = presence.get(id)?.hello;
    return hello?.vaults.includes(vault) === true && hello.endpoints.length > 0;
  });

/** The same, without those that are being drained: they get no machines. */
export const serversFor = async (store: StateStore, presence: ServerPresence, vault: string): Promise<readonly string[]> => {
  const open: string[] = [];
  for (const id of serversWith(presence, vault)) if ((await find(store, servers, id))?.value.draining !== true) open.push(id);
  return open;
};

/** Part of its journal, and milliseconds of backlog, from which on a server has enough to do. */
const CROWDED = { journal: 0.7, backlog: 5 * 60_000 };

/** It does not keep up with what it receives. */
const isCrowded = (presence: ServerPresence, id: string): boolean => {
  const report = presence.get(id)?.report;
  if (report === undefined) return false;
  const { journalUsedBytes, journalQuotaBytes, machines } = report;
  return (
    Number(journalUsedBytes) > CROWDED.journal * Number(journalQuotaBytes) ||
    machines.some(({ oldestPendingMillis }) => Number(oldestPendingMillis) > CROWDED.backlog)
  );
};

/** The one of `candidates` that receives the fewest machines, of those that keep up if there is one; undefined when there is none. */
export const leastLoaded = async (
  store: StateStore,
  presence: ServerPresence,
  candidates: readonly string[],
): Promise<string | undefined> => {
  const loads: { readonly id: string; readonly crowded: number; readonly load: number }[] = [];
  for (const id of candidates) {
    let load = 0;
    for await (const _ of listAll(store, assignments, `${id}/`)) load += 1;
    loads.push({ id, crowded: isCrowded(presence, id) ? 1 : 0, load });
  }
  return loads.toSorted((a, b) => a.crowded - b.crowded || a.load - b.load || a.id.localeCompare(b.id))[0]?.id;
};
