import { HoldfastError } from '@holdfast/errors';
import { idText, PointKind, RecoveryKind, type RecoveryPoint, type RecoveryReport } from '@holdfast/protocol';
import { completeTarget } from '../api/prerequisites.ts';
import { find, type Stored } from '../records/kind.ts';
import { type MachineRecord, machines, protections } from '../records/kinds.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';
import { takeLeftOver } from './left-overs.ts';
import { FAILING, isEnding, newRun } from './recovery-commits.ts';
import { goalOf, openRecoveries, type RecoveryRecord, recoveries, recoveriesOf, wantedRecoveries } from './recovery-record.ts';
import { chosenPoint } from './steps.ts';

const put = (transaction: Transaction, id: string, value: RecoveryRecord): void => {
  transaction.put(recoveries, id, value);
  transaction.put(recoveriesOf, `${value.machineId}/${id}`, {});
  transaction.put(openRecoveries, `${value.machineId}/${value.kind}`, { recovery: id });
};

/**
 * Takes up what a process server carries out and this server knows nothing of: its state was lost, or is of a time before. From then on people can cancel,
 * commit or clean it up. What has ended, what is of a machine that is not protected, and what is of a vault that the server does not hold is left alone.
 * What is known, and not the server's own any more, it is told to remove.
 */
export const takeRecoveries = async (
  store: StateStore,
  { server, vaults }: { readonly server: string; readonly vaults: readonly string[] },
  reports: readonly RecoveryReport[],
): Promise<void> => {
  for (const report of reports) {
    const id = idText(report.id);
    const goal = goalOf(report.goal);
    const known = report.id.length === 16 ? await find(store, recoveries, id) : undefined;
    if (known !== undefined) {
      await takeLeftOver(store, server, report, known.value);
      continue;
    }
    const isWhole = [report.id, report.runId, report.machineId, report.pointId].every(({ length }) => length === 16);
    if (!isWhole || goal === undefined || isEnding(goal) || !vaults.includes(report.vault)) continue;
    const kind = report.kind === RecoveryKind.TEST ? 'test' : 'failover';
    const machineId = idText(report.machineId);
    await transact(store, async (transaction) => {
      const machine = await transaction.read(machines, machineId);
      const protectionId = machine?.value.protectionId ?? '';
      const protection = protectionId === '' ? undefined : await transaction.read(protections, protectionId);
      if (machine === undefined || protection === undefined || protection.value.vault !== report.vault) return;
      // Committed, and released since: its source is protected again, and an open failover would silence that. What is fenced still the vault says first.
      if (goal === 'independent' && !FAILING.has(protection.value.state)) return;
      if ((await transaction.read(recoveries, id)) !== undefined) return;
      if ((await transaction.read(openRecoveries, `${machineId}/${kind}`)) !== undefined) return;
      put(transaction, id, {
        kind,
        machineId,
        machineName: machine.value.name,
        protectionId,
        vault: report.vault,
        serverId: server,
        runId: idText(report.runId),
        attempt: Number(report.attempt),
        point: { id: idText(report.pointId), time: Number(report.pointUnixMillis), kind: PointKind.CRASH, disks: [], unreadable: 0 },
        goal,
        state: 'running',
        target: completeTarget(report.target),
        startedBy: server,
        created: Date.now(),
        ended: 0,
        startMillis: 0,
        notes: '',
        jobId: '',
        sourceShutdown: '',
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
  put(transaction, operationId, value);
  return { id: operationId, key: recoveries.key(operationId), version: 0, value };
};
