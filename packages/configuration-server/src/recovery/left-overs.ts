import { idText, RecoveryGoal, type RecoveryReport, RecoveryStage } from '@holdfast/protocol';
import { restoredIn } from '../reconcile/restored.ts';
import { find, type Kind, listAll, plainKind, type Stored } from '../records/kind.ts';
import { servers as serverKind } from '../records/kinds.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';
import { type Goal, type RecoveryRecord, recoveries, wantedRecoveries } from './recovery-record.ts';

/** An order to remove what a process server still has of a recovery that is over, or that another one goes on with. */
export interface LeftOver extends Pick<RecoveryRecord, 'kind' | 'machineId' | 'machineName' | 'vault' | 'runId' | 'target' | 'point'> {
  /** Only what the server made itself goes, or hold and fence as well: that only when the recovery is over for everybody. */
  readonly goal: Extract<Goal, 'discarded' | 'released'>;
  /** Why it is to be gone, in words behind "although". */
  readonly although: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

/** Told again with every hello until the server says that it is done; the id is "SERVER/RECOVERY". */
export const leftOvers: Kind<LeftOver> = plainKind('recovery-left-over', 1);

const orderFor = (
  { kind, machineId, machineName, vault, runId, target, point }: RecoveryRecord,
  goal: LeftOver['goal'],
  although: string,
): Omit<LeftOver, 'since'> => ({
  kind,
  machineId,
  machineName,
  vault,
  runId,
  target,
  ...(point === undefined ? {} : { point }),
  goal,
  although,
});

const whatIs = (kind: RecoveryRecord['kind']): string => (kind === 'test' ? 'test failover' : 'failover');

/** What shall go at a server of a recovery that another one carries out from now on. */
export const handedOver = (recovery: RecoveryRecord): LeftOver => ({
  ...orderFor(recovery, 'discarded', `its ${whatIs(recovery.kind)} goes on at another process server`),
  since: Date.now(),
});

/** What a server has to remove of the recovery it reports; undefined: all is as it shall be. */
const orderOf = (server: string, { goal, stage }: RecoveryReport, recovery: RecoveryRecord): Omit<LeftOver, 'since'> | undefined => {
  const reached = stage === RecoveryStage.REACHED ? goal : RecoveryGoal.UNSPECIFIED;
  if (reached === RecoveryGoal.RELEASED) return undefined;
  if (recovery.state === 'ended') return orderFor(recovery, 'released', `its ${whatIs(recovery.kind)} is over`);
  if (recovery.serverId === server || reached === RecoveryGoal.DISCARDED) return undefined;
  return handedOver(recovery);
};

/** A process server that was removed and enrolled anew carries out what it did before: that is its own again. */
const takeBack = async (
  transaction: Transaction,
  server: string,
  { runId }: RecoveryReport,
  { id, value }: Stored<RecoveryRecord>,
): Promise<boolean> => {
  if (value.state === 'ended' || value.serverId === server || value.runId !== idText(runId)) return false;
  if ((await transaction.read(serverKind, value.serverId)) !== undefined) return false;
  transaction.put(recoveries, id, { ...value, serverId: server });
  transaction.delete(wantedRecoveries, `${value.serverId}/${id}`);
  transaction.put(wantedRecoveries, `${server}/${id}`, {});
  transaction.event({
    severity: 'warning',
    code: 'recovery-adopted',
    text: `The ${whatIs(value.kind)} of ${value.machineName} is carried out by a process server that was removed and is back with a new identity`,
    subject: value.machineId,
    actor: server,
  });
  return true;
};

/** Orders the removal of what a server reports of a recovery that is known and not its own any more; ends the order once that is done. */
export const takeLeftOver = async (store: StateStore, server: string, report: RecoveryReport, known: RecoveryRecord): Promise<void> => {
  const id = idText(report.id);
  const place = `${server}/${id}`;
  const before = await find(store, leftOvers, place);
  if (before?.value.goal === orderOf(server, report, known)?.goal && known.serverId === server) return;
  await transact(store, async (transaction) => {
    const recovery = (await transaction.read(recoveries, id)) ?? { id, key: recoveries.key(id), version: 0, value: known };
    // What a backup knows of one that goes on may be long over: who carries it out now is found out first.
    if (recovery.value.state !== 'ended' && (await restoredIn(transaction)) !== undefined) return;
    if (await takeBack(transaction, server, report, recovery)) return transaction.delete(leftOvers, place);
    const order = (await transaction.read(leftOvers, place))?.value;
    const next = orderOf(server, report, recovery.value);
    if (order?.goal === next?.goal) return;
    const { machineId, machineName } = recovery.value;
    if (next !== undefined) {
      transaction.put(leftOvers, place, { ...next, since: order?.since ?? Date.now() });
      if (order === undefined)
        transaction.audit({
          actor: server,
          action: 'DiscardLeftOver',
          subject: machineId,
          detail: `${machineName} ${id}: ${next.although}`,
        });
      return;
    }
    transaction.delete(leftOvers, place);
    transaction.event({
      severity: 'information',
      code: 'left-over-removed',
      text: `What a process server still had of ${machineName} is gone, ${order!.although}`,
      subject: machineId,
      actor: server,
    });
  });
};

/** A machine of which something is left, and where, for an alert. */
export interface LeftOverAlert {
  readonly machineId: string;
  readonly machineName: string;
  readonly severity: 'warning' | 'critical';
  readonly text: string;
}

/** Of all machines; several of one machine in one. */
export const leftOverAlerts = async (store: StateStore): Promise<readonly LeftOverAlert[]> => {
  const found = new Map<string, LeftOverAlert>();
  for await (const { id, value } of listAll(store, leftOvers)) {
    const server = id.slice(0, id.indexOf('/'));
    const name = (await find(store, serverKind, server))?.value.name ?? server;
    const { machineId, machineName, kind, although } = value;
    const before = found.get(machineId);
    const words = `${name} may still run it, although ${although}: it is told to remove it`;
    found.set(machineId, {
      machineId,
      machineName,
      severity: kind === 'failover' || before?.severity === 'critical' ? 'critical' : 'warning',
      text: before === undefined ? `${machineName}: ${words}` : `${before.text}; ${words}`,
    });
  }
  return [...found.values()];
};
