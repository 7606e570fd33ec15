import { idText, PointKind, ProtectionState, RecoveryGoal, type RecoveryReport } from '@holdfast/protocol';
import { find, listAll } from '../records/kind.ts';
import { servers as serverKind } from '../records/kinds.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import { NOT_HELD, setState } from '../recovery/recovery-commits.ts';
import {
  attemptOf,
  openRecoveries,
  RECOVERY_KINDS,
  type RecoveryRecord,
  recoveries,
  wantedRecoveries,
} from '../recovery/recovery-record.ts';
import type { HeldParts } from './held.ts';
import { restoredIn } from './restored.ts';

type Parts = Pick<HeldParts, 'store' | 'servers'>;

/** A machine of it runs, or is to. */
const GOALS = new Map<RecoveryGoal, 'running' | 'independent'>([
  [RecoveryGoal.RUNNING, 'running'],
  [RecoveryGoal.INDEPENDENT, 'independent'],
]);

/** States of which no job takes back what was made: one that is at work goes on from what is taken up. */
const GOES_ON: ReadonlySet<RecoveryRecord['state']> = new Set(['starting', 'running', 'failed']);

const carriedOutBy = ({ servers }: Pick<Parts, 'servers'>, server: string, id: string): RecoveryReport | undefined =>
  servers.get(server)?.report?.recoveries.find((one) => idText(one.id) === id && GOALS.has(one.goal));

/** The server that this one knows it at has nothing of it: it says so, or was removed. */
const isLetGo = async (parts: Parts, transaction: Transaction, { serverId }: RecoveryRecord, id: string): Promise<boolean> => {
  if ((await transaction.read(serverKind, serverId)) === undefined) return true;
  const own = parts.servers.get(serverId);
  return own?.connected === true && own.report !== undefined && carriedOutBy(parts, serverId, id) === undefined;
};

/**
 * While a server that was restored learns what it does not know: of a recovery that it knows, what its process server carries out now, or the one that it was
 * handed over to. Told what the backup wanted, a process server would remove the machine that runs, with all that was written to it.
 */
export const takeCarriedOut = async (parts: Parts, server: string, reports: readonly RecoveryReport[]): Promise<void> => {
  for (const report of reports) {
    const goal = GOALS.get(report.goal);
    if (goal === undefined || ![report.id, report.runId, report.pointId].every(({ length }) => length === 16)) continue;
    const [id, runId] = [idText(report.id), idText(report.runId)];
    await transact(parts.store, async (transaction) => {
      if ((await restoredIn(transaction)) === undefined) return;
      const known = (await transaction.read(recoveries, id))?.value;
      if (known === undefined || !GOES_ON.has(known.state) || parts.servers.get(server)?.hello.vaults.includes(known.vault) !== true)
        return;
      // Of what was tested, nothing becomes a machine of its own: whoever says so says nothing of this one.
      if (report.kind !== RECOVERY_KINDS[known.kind] || (known.kind === 'test' && goal === 'independent')) return;
      const isOwn = known.serverId === server;
      if (isOwn ? known.runId === runId && known.goal === goal : !(await isLetGo(parts, transaction, known, id))) return;
      const pointId = idText(report.pointId);
      const fresh = { id: pointId, time: Number(report.pointUnixMillis), kind: PointKind.CRASH, disks: [], unreadable: 0 };
      const point = known.point?.id === pointId ? known.point : fresh;
      transaction.put(recoveries, id, {
        ...known,
        serverId: server,
        runId,
        attempt: attemptOf(report),
        goal,
        point,
        state: known.state === 'starting' ? 'starting' : 'running',
        takenUp: true,
        commitCancelled: report.commitCancelled,
      });
      if (goal === 'independent' && report.commitCancelled) await setState(transaction, known, ProtectionState.FAILED_OVER, NOT_HELD);
      else if (goal === 'independent')
        await setState(transaction, known, ProtectionState.COMMITTING, 'its commit was ordered after the backup: commit it again');
      transaction.delete(wantedRecoveries, `${known.serverId}/${id}`);
      transaction.put(wantedRecoveries, `${server}/${id}`, {});
      transaction.event({
        severity: 'warning',
        code: 'recovery-adopted',
        text: `The recovery of ${known.machineName} went on after the backup: what its process server carries out counts`,
        subject: known.machineId,
        actor: 'reconciliation',
      });
    });
  }
};

/** Recoveries that process servers carry out otherwise than this server knows, in words: also those about to be taken up, so that nothing ends before. */
export const recoveryDifferences = async ({ store, servers }: Parts): Promise<readonly string[]> => {
  const words: string[] = [];
  const nameOf = async (id: string): Promise<string> => (await find(store, serverKind, id))?.value.name ?? id;
  for await (const { value: open } of listAll(store, openRecoveries)) {
    const known = (await find(store, recoveries, open.recovery))?.value;
    if (known === undefined || !GOES_ON.has(known.state)) continue;
    for (const server of servers.connected()) {
      const report = carriedOutBy({ servers }, server, open.recovery);
      if (report === undefined || (server === known.serverId && idText(report.runId) === known.runId)) continue;
      words.push(
        `the recovery of ${known.machineName} is carried out by ${await nameOf(server)} otherwise than this server knows (at ${await nameOf(known.serverId)}): what ${await nameOf(server)} runs is removed when that is confirmed as it is`,
      );
    }
  }
  return words;
};
