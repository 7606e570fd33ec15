import type { ServerPresence } from '../control/presence.ts';
import { serversWith } from '../jobs/choose-server.ts';
import { find } from '../records/kind.ts';
import { servers as serverKind } from '../records/kinds.ts';
import { requestInvalid } from '../request-invalid.ts';
import type { StateStore } from '../state/state-store.ts';
import { chooseRecoveryServer } from './choose-recovery-server.ts';
import { openRecoveries, recoveries } from './recovery-record.ts';

/**
 * The process server that goes on with a recovery whose own was removed, since it never comes back, or (`handOver`) is away and shall not be waited for;
 * undefined when it is still its own. What the lost one may still run is out of reach: whoever removes it, or hands over, answers for that. Errors:
 * PREREQUISITES_MISSING; REQUEST_INVALID for a hand-over from one that is there.
 */
export const insteadOfLost = async (
  store: StateStore,
  servers: ServerPresence,
  machineId: string,
  kind: 'test' | 'failover',
  what: 'ends' | 'starts',
  handOver: boolean,
): Promise<string | undefined> => {
  const open = await find(store, openRecoveries, `${machineId}/${kind}`);
  const recovery = open && (await find(store, recoveries, open.value.recovery));
  if (recovery === undefined) return undefined;
  const own = await find(store, serverKind, recovery.value.serverId);
  if (own !== undefined && !handOver) return undefined;
  if (own !== undefined && servers.get(own.id)?.connected === true)
    throw requestInvalid('hand_over', `its process server ${own.value.name} is connected`, 'order it without: it does it itself');
  const { vault, target } = recovery.value;
  const holder = what === 'ends' ? serversWith(servers, vault)[0] : undefined;
  return holder ?? chooseRecoveryServer(store, servers, { vault, fabric: target.fabric, wanted: '', own: '' });
};
