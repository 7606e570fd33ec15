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

/** The one of `candidates` that receives the fewest machines; undefined when there is none. */
export const leastLoaded = async (store: StateStore, candidates: readonly string[]): Promise<string | undefined> => {
  const loads: { readonly id: string; readonly load: number }[] = [];
  for (const id of candidates) {
    let load = 0;
    for await (const _ of listAll(store, assignments, `${id}/`)) load += 1;
    loads.push({ id, load });
  }
  return loads.toSorted((a, b) => a.load - b.load || a.id.localeCompare(b.id))[0]?.id;
};
