import type { ServerPresence } from '../control/presence.ts';
import { serversWith } from '../jobs/choose-server.ts';
import { find } from '../records/kind.ts';
import { servers as serverKind } from '../records/kinds.ts';
import type { StateStore } from '../state/state-store.ts';
import { chooseRecoveryServer } from './choose-recovery-server.ts';
import { openRecoveries, recoveries } from './recovery-record.ts';

/**
 * The process server that goes on with a recovery whose own was removed, since it never comes back; undefined when that is still one of ours. What the lost
 * one may still run is out of reach: whoever removed it answers for that. Errors: PREREQUISITES_MISSING.
 */
export const insteadOfLost = async (
  store: StateStore,
  servers: ServerPresence,
  machineId: string,
  kind: 'test' | 'failover',
  what: 'ends' | 'starts',
): Promise<string | undefined> => {
  const open = await find(store, openRecoveries, `${machineId}/${kind}`);
  const recovery = open && (await find(store, recoveries, open.value.recovery));
  if (recovery === undefined || (await find(store, serverKind, recovery.value.serverId)) !== undefined) return undefined;
  const { vault, target } = recovery.value;
  const holder = what === 'ends' ? serversWith(servers, vault)[0] : undefined;
  return holder ?? chooseRecoveryServer(store, servers, { vault, fabric: target.fabric, wanted: '', own: '' });
};
