import type { ServerPresence } from '../control/presence.ts';
import { listAll } from '../records/kind.ts';
import { assignments } from '../records/kinds.ts';
import type { StateStore } from '../state/state-store.ts';

/** Connected process servers that hold a vault and say where they are reached. */
export const serversWith = (presence: ServerPresence, vault: string): readonly string[] =>
  presence.connected().filter((id) => {
    const hello = presence.get(id)?.hello;
    return hello?.vaults.includes(vault) === true && hello.endpoints.length > 0;
  });

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
