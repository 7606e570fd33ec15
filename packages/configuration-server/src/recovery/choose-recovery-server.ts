import { HoldfastError } from '@holdfast/errors';
import type { ServerPresence } from '../control/presence.ts';
import { serversWith } from '../jobs/choose-server.ts';
import { serverName } from '../jobs/steps.ts';
import type { StateStore } from '../state/state-store.ts';
import { vaultName } from '../vaults/vault-record.ts';

export interface ServerChoice {
  readonly vault: string;
  readonly fabric: string;
  /** Id of the one that was asked for; empty: any. */
  readonly wanted: string;
  /** Id of the one that receives the machine: it is chosen when it can. */
  readonly own: string;
}

/** The process server that carries a recovery out. Errors: PREREQUISITES_MISSING, with what each lacks. */
export const chooseRecoveryServer = async (store: StateStore, servers: ServerPresence, choice: ServerChoice): Promise<string> => {
  const { vault, fabric, wanted, own } = choice;
  const holders = serversWith(servers, vault).filter((id) => wanted === '' || id === wanted);
  const reportOf = (id: string) => servers.get(id)?.hello.fabrics.find(({ name }) => name === fabric);
  const able = holders.filter((id) => reportOf(id)?.ready === true);
  const chosen = able.find((id) => id === own) ?? able.toSorted()[0];
  if (chosen !== undefined) return chosen;
  const lacks = await Promise.all(
    holders.map(async (id) => `${await serverName(store, id)}: ${reportOf(id)?.detail.slice(0, 300) ?? `it has no fabric ${fabric}`}`),
  );
  throw new HoldfastError('PREREQUISITES_MISSING', {
    thing: `fabric ${fabric}`,
    why:
      holders.length === 0
        ? `no ${wanted === '' ? '' : 'such '}process server that holds the vault ${await vaultName(store, vault)} is connected`
        : `no process server can start machines there: ${lacks.join('; ')}`,
    remedy: 'mend what is named, or name another fabric or process server; `holdfast recover` needs only the vault and its key',
  });
};
