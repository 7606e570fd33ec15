import { idText } from '@holdfast/protocol';
import type { ServerPresence } from '../control/presence.ts';
import type { Stored } from '../records/kind.ts';
import type { RecoveryRecord } from './recovery-record.ts';
import { pointWords } from './steps.ts';

/** What a commit keeps and what it takes away, for people, before it is done. */
export const commitConsequences = (
  { id, value: { machineName, serverId, point } }: Pick<Stored<RecoveryRecord>, 'id' | 'value'>,
  servers: ServerPresence,
  vault: string,
): { readonly kept: string[]; readonly deleted: string[] } => {
  const report = servers.get(serverId)?.report?.recoveries.find((one) => idText(one.id) === id);
  const copied = report?.machine === undefined ? '' : `, ${Math.floor(100 * report.machine.hydrated)} % of which are copied`;
  const from = point === undefined ? '' : `, started from point ${pointWords(point)}`;
  return {
    kept: [
      `the machine ${machineName} as it runs now${from}`,
      `all of its disks${copied}: the commit ends when the rest is`,
      `its history in vault ${vault} as it is`,
    ],
    deleted: [
      'the way to another point, and the way back by cancelling',
      'what the source wrote after the point: it is tracked there until now, and will never be sent',
      'the hold on the point',
      'its protection: where it runs now nobody replicates it, and nothing brings it home in this version (reprotect and failback come with 0.5)',
    ],
  };
};
