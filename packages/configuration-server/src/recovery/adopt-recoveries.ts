import { HoldfastError } from '@holdfast/errors';
import {
  idText,
  PointKind,
  ProtectionState,
  RecoveryGoal,
  RecoveryKind,
  type RecoveryPoint,
  type RecoveryReport,
  RecoveryStage,
} from '@holdfast/protocol';
import { completeTarget } from '../api/prerequisites.ts';
import { SENDING } from '../reconcile/lines.ts';
import { restoredIn } from '../reconcile/restored.ts';
import { find, type Stored } from '../records/kind.ts';
import { type MachineRecord, machines, protections } from '../records/kinds.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';
import { addCommitted } from './committed.ts';
import { takeLeftOver } from './left-overs.ts';
import { FAILING, isEnding, NOT_HELD, newRun } from './recovery-commits.ts';
import {
  attemptOf,
  type ChosenPoint,
  goalOf,
  isForGood,
  openRecoveries,
  prunedRecoveries,
  type RecoveryRecord,
  recoveries,
  recoveriesOf,
  wantedRecoveries,
} from './recovery-record.ts';
import { chosenPoint } from './steps.ts';

const put = async (transaction: Transaction, id: string, value: RecoveryRecord): Promise<void> => {
  transaction.put(recoveries, id, value);
  transaction.put(recoveriesOf, `${value.machineId}/${id}`, {});
  if (value.state === 'committed') await addCommitted(transaction, value.machineId, id);
  else transaction.put(openRecoveries, `${value.machineId}/${value.kind}`, { recovery: id });
};

/** Its commit was carried out: it is its own, whatever becomes of its source. */
const isCommitted = ({ kind, goal, stage, machine, commitCancelled }: RecoveryReport): boolean =>
  kind === RecoveryKind.FAILOVER &&
  !commitCancelled &&
  goal === RecoveryGoal.INDEPENDENT &&
  (stage === RecoveryStage.REACHED || machine?.hydrated === 1);

/** An ended one that is not kept any more, as far as the order to remove what is left of it goes. */
const endedOf = (report: RecoveryReport, server: string, machineName: string): RecoveryRecord => ({
  kind: report.kind === RecoveryKind.TEST ? 'test' : 'failover',
  machineId: idText(report.machineId),
  machineName,
  protectionId: '',
  vault: report.vault,
  serverId: server,
  runId: idText(report.runId),
  point: pointOf(report),
  state: 'ended',
  target: completeTarget(report.target),
  startedBy: '',
  created: 0,
  ended: 0,
  startMillis: 0,
  notes: '',
  jobId: '',
  sourceShutdown: '',
});

const pointOf = ({ pointId, pointUnixMillis }: RecoveryReport): ChosenPoint => ({
  id: idText(pointId),
  time: Number(pointUnixMillis),
  kind: PointKind.CRASH,
  disks: [],
  unreadable: 0,
});

/**
 * Takes up what a process server carries out and this server knows nothing of: its state was lost, or is of a time before. From then on people can cancel,
 * commit or clean it up; what was committed is its own already. What has ended, what is of a machine that is not protected, and what is of a vault that the server does not hold is left alone.
 * What is known, and not the server's own any more, it is told to remove.
 */
export const takeRecoveries = async (
  store: StateStore,
  { server, vaults }: { readonly server: string; readonly vaults: readonly string[] },
  reports: readonly RecoveryReport[],
): Promise<void> => {
  // What was committed comes behind: another failover of the same machine tells that its fence was released since.
  for (const report of reports.toSorted((a, b) => Number(isCommitted(a)) - Number(isCommitted(b)))) {
    const id = idText(report.id);
    const goal = goalOf(report.goal);
    const known = report.id.length === 16 ? await find(store, recoveries, id) : undefined;
    if (known !== undefined) {
      await takeLeftOver(store, server, report, known.value);
      continue;
    }
    const isWhole = [report.id, report.runId, report.machineId, report.pointId].every(({ length }) => length === 16);
    if (!isWhole || !vaults.includes(report.vault)) continue;
    const pruned = await find(store, prunedRecoveries, id);
    if (pruned !== undefined) {
      await takeLeftOver(store, server, report, endedOf(report, server, pruned.value.machineName));
      continue;
    }
    const kind = report.kind === RecoveryKind.TEST ? 'test' : 'failover';
    // A test is never committed.
    if (goal === undefined || isEnding(goal) || (kind === 'test' && goal === 'independent')) continue;
    const machineId = idText(report.machineId);
    const committed = isCommitted(report);
    await transact(store, async (transaction) => {
      const machine = await transaction.read(machines, machineId);
      const protectionId = machine?.value.protectionId ?? '';
      const protection = protectionId === '' ? undefined : await transaction.read(protections, protectionId);
      if (machine === undefined || protection === undefined || protection.value.vault !== report.vault) return;
      const { state } = protection.value;
      // How far its commit has come is not known as long as nothing is said of its machine.
      if (goal === 'independent' && !committed && (!FAILING.has(state) || report.machine === undefined)) return;
      if ((await transaction.read(recoveries, id)) !== undefined) return;
      const isOpen = (await transaction.read(openRecoveries, `${machineId}/${kind}`)) !== undefined;
      if (isOpen && !committed) return;
      // A backup may be of before the failover: what the vault says of the source comes later than this, and what was committed would seem released.
      if (committed && !isOpen && SENDING.has(state) && (await restoredIn(transaction)) !== undefined) return;
      const isFenced = committed && !isOpen && (FAILING.has(state) || state === ProtectionState.COMMITTED);
      if (isFenced)
        transaction.put(protections, protectionId, {
          ...protection.value,
          state: ProtectionState.COMMITTED,
          stateDetail: 'its source is fenced for good',
        });
      // A commit that was cancelled late needs the vault no more all the same.
      else if (goal === 'independent' && report.commitCancelled)
        transaction.put(protections, protectionId, { ...protection.value, state: ProtectionState.FAILED_OVER, stateDetail: NOT_HELD });
      else if (!committed && kind === 'failover' && state === ProtectionState.COMMITTED)
        transaction.put(protections, protectionId, { ...protection.value, state: ProtectionState.FAILED_OVER, stateDetail: '' });
      await put(transaction, id, {
        kind,
        machineId,
        machineName: machine.value.name,
        protectionId,
        vault: report.vault,
        serverId: server,
        runId: idText(report.runId),
        attempt: attemptOf(report),
        point: pointOf(report),
        goal,
        state: committed ? 'committed' : 'running',
        target: completeTarget(report.target),
        startedBy: server,
        created: Date.now(),
        ended: committed ? Date.now() : 0,
        startMillis: 0,
        notes: '',
        jobId: '',
        sourceShutdown: '',
        ...(report.commitCancelled && { commitCancelled: true }),
        ...(committed && !isFenced && { fenceReleased: Date.now() }),
      });
      transaction.put(wantedRecoveries, `${server}/${id}`, {});
      transaction.event({
        severity: 'warning',
        code: 'recovery-adopted',
        text: `A ${kind === 'test' ? 'test failover' : 'failover'} of ${machine.value.name} runs that was not known here: it is listed again`,
        subject: machineId,
        actor: server,
      });
    });
  }
};

/**
 * A failover that only the log in the vault knows of: nothing runs for it as far as anybody knows, and cancelling it releases the source. Errors:
 * OPERATION_REFUSED when the log says no such thing.
 */
export const adoptFence = async (
  transaction: Transaction,
  machine: Pick<Stored<MachineRecord>, 'id' | 'value'>,
  { operationId, point, serverId }: { readonly operationId: string; readonly point: RecoveryPoint | undefined; readonly serverId: string },
): Promise<Stored<RecoveryRecord>> => {
  const { name, protectionId } = machine.value;
  const known = operationId === '' ? undefined : await transaction.read(recoveries, operationId);
  if (known !== undefined && isForGood(known.value))
    throw new HoldfastError('OPERATION_REFUSED', {
      thing: `cancel-failover of machine ${name}`,
      why: `its failover ${operationId.slice(0, 8)} was committed: the machine that runs of it is the one in use`,
      remedy: 'unprotect the machine and protect it with `--source-again` if its source is to go on',
    });
  const protection = await transaction.read(protections, protectionId);
  if (protection === undefined || operationId === '' || point === undefined)
    throw new HoldfastError('OPERATION_REFUSED', {
      thing: `failover of machine ${name}`,
      why: 'its vault says of no failover',
      remedy: 'see `holdfast machine show`',
    });
  const value: RecoveryRecord = {
    kind: 'failover',
    machineId: machine.id,
    machineName: name,
    protectionId,
    vault: protection.value.vault,
    serverId,
    ...newRun(),
    point: chosenPoint(point),
    state: 'ending',
    target: completeTarget(protection.value.target),
    startedBy: 'the vault',
    created: Date.now(),
    ended: 0,
    startMillis: 0,
    notes: '',
    jobId: '',
    sourceShutdown: '',
  };
  await put(transaction, operationId, value);
  return { id: operationId, key: recoveries.key(operationId), version: 0, value };
};
