import { idText, VaultState } from '@holdfast/protocol';
import type { ServingFacts, VaultFacts } from '../alerts/vault-conditions.ts';
import type { ServerPresence } from '../control/presence.ts';
import { listAll, type Stored } from '../records/kind.ts';
import type { ServerRecord } from '../records/kinds.ts';
import type { StateStore } from '../state/state-store.ts';
import { vaults } from './vault-record.ts';

export interface NamedFacts extends VaultFacts {
  readonly id: string;
}

/** What is known of every vault that is in use. `machines`: how many are protected into each. */
export const vaultFacts = async (
  store: StateStore,
  presence: ServerPresence,
  servers: readonly Stored<ServerRecord>[],
  machines: ReadonlyMap<string, number>,
): Promise<readonly NamedFacts[]> => {
  const found: NamedFacts[] = [];
  for await (const { id, value } of listAll(store, vaults)) {
    if (value.decommissioned !== undefined) continue;
    const serving: ServingFacts[] = [];
    const replacedAt: string[] = [];
    for (const server of servers) {
      const known = presence.get(server.id);
      const reports = known?.report?.vaults ?? known?.hello.vaultReports ?? [];
      for (const { state, previousVaultId, name, location } of known?.connected === true ? reports : [])
        if (state === VaultState.OTHER && idText(previousVaultId) === id)
          replacedAt.push(`the settings of ${server.value.name} call another vault ${name} now, at ${location}`);
      const own = server.value.served?.find((one) => one.id === id);
      if (own === undefined) {
        // One of an earlier version tells its name alone.
        if (known?.connected === true && known.hello.vaults.includes(id))
          serving.push({ name: server.value.name, connected: true, report: undefined, location: value.location, elsewhere: false });
        continue;
      }
      serving.push({
        name: server.value.name,
        connected: known?.connected ?? false,
        report: reports.find(({ name }) => name === own.name),
        location: own.location,
        elsewhere: own.place !== '' && value.place !== '' && own.place !== value.place,
      });
    }
    found.push({ id, name: value.name, location: value.location, machines: machines.get(id) ?? 0, serving, replacedAt });
  }
  return found;
};
