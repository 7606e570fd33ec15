import { HoldfastError } from '@holdfast/errors';
import { type Protection, ProtectionState } from '@holdfast/protocol';
import type { JobPlan } from '../jobs/job-plan.ts';
import type { JobKind, JobRecord } from '../jobs/job-record.ts';
import { newJobId } from '../jobs/job-record.ts';
import { refuseBusy } from '../jobs/refuse-busy.ts';
import { startJob } from '../jobs/start-job.ts';
import type { Stored } from '../records/kind.ts';
import { type MachineRecord, machines, protections, servers } from '../records/kinds.ts';
import type { Transaction } from '../records/transaction.ts';
import { requestInvalid } from '../request-invalid.ts';
import type { StateStore } from '../state/state-store.ts';
import { handedOver, leftOvers } from './left-overs.ts';
import { newRun } from './recovery-commits.ts';
import { openRecoveries, type RecoveryRecord, recoveries, recoveriesOf, type Target, wantedRecoveries } from './recovery-record.ts';
import { protectionFor } from './require-operation.ts';

export type RecoveryJobKind = Extract<
  JobKind,
  'test-failover' | 'clean-up-test' | 'failover' | 'change-point' | 'cancel-failover' | 'commit' | 'start-machine' | 'forget-recovery'
>;

/** What was ordered: in one commit the recovery and the job that carries it out. */
export interface Ordered {
  readonly job: Omit<Stored<JobRecord>, 'version'>;
  readonly recovery: Omit<Stored<RecoveryRecord>, 'version'>;
}

export interface NewRecovery {
  readonly store: StateStore;
  readonly plan: Pick<JobPlan, 'steps'>;
  readonly kind: 'test' | 'failover';
  readonly machineId: string;
  readonly actor: string;
  readonly serverId: string;
  readonly target: Target;
  /** As people said it. */
  readonly point: string;
  readonly shutdown?: boolean;
  readonly force?: boolean;
  /** Of a plan. */
  readonly partOf?: string;
}

const gone = (id: string): HoldfastError =>
  new HoldfastError('MACHINE_NOT_FOUND', { thing: `machine ${id}`, why: 'it was removed a moment ago', remedy: 'list machines' });

/** The machine, read within the commit. */
export const machineIn = async (transaction: Transaction, id: string): Promise<Stored<MachineRecord>> => {
  const machine = await transaction.read(machines, id);
  if (machine === undefined) throw gone(id);
  return machine;
};

/** Begins a test failover or a failover. Errors: OPERATION_REFUSED and its like, JOB_RUNNING. */
export const orderRecovery = async (transaction: Transaction, order: NewRecovery): Promise<Ordered> => {
  const { store, plan, kind, actor, serverId, target, point, shutdown = false, force = false, partOf = '' } = order;
  const machine = await machineIn(transaction, order.machineId);
  const { name } = machine.value;
  const operation = kind === 'test' ? 'test-failover' : 'failover';
  await refuseBusy(store, transaction, machine.id, name);
  const protection: Stored<Protection> = await protectionFor(transaction, machine, operation);
  const id = newJobId();
  const input = {
    recovery: id,
    point,
    ...(shutdown ? { shutdown: 'yes' } : {}),
    ...(force ? { force: 'yes' } : {}),
    ...(partOf === '' ? {} : { plan: partOf }),
  };
  const job = startJob(transaction, plan, {
    kind: operation,
    machineId: machine.id,
    protectionId: protection.id,
    startedBy: actor,
    input,
    direction: 'forward',
  });
  const value: RecoveryRecord = {
    kind,
    machineId: machine.id,
    machineName: name,
    protectionId: protection.id,
    vault: protection.value.vault,
    serverId,
    ...newRun(),
    state: 'starting',
    target,
    startedBy: actor,
    created: Date.now(),
    ended: 0,
    startMillis: 0,
    notes: '',
    jobId: job.id,
    sourceShutdown: kind === 'test' ? '' : 'not asked for',
  };
  transaction.put(recoveries, id, value);
  transaction.put(recoveriesOf, `${machine.id}/${id}`, {});
  transaction.put(openRecoveries, `${machine.id}/${kind}`, { recovery: id });
  if (kind === 'failover')
    transaction.put(protections, protection.id, { ...protection.value, state: ProtectionState.FAILING_OVER, stateDetail: '' });
  transaction.event({
    severity: kind === 'test' ? 'information' : 'warning',
    code: `${operation}-ordered`,
    text: `${name} is to be ${kind === 'test' ? 'started as a test' : 'failed over'} (source to recovery site), point ${point || 'latest-processed'}`,
    subject: machine.id,
    actor,
  });
  transaction.audit({
    actor,
    action: kind === 'test' ? 'TestFailover' : 'Failover',
    subject: machine.id,
    detail: `${name} ${JSON.stringify(input)}`,
  });
  return { job, recovery: { id, key: recoveries.key(id), value } };
};

export interface NextStep {
  readonly store: StateStore;
  readonly plan: Pick<JobPlan, 'steps'>;
  readonly kind: Exclude<RecoveryJobKind, 'test-failover' | 'failover'>;
  readonly actor: string;
  readonly input?: Readonly<Record<string, string>>;
  readonly recovery?: Partial<RecoveryRecord>;
  /** The process server that goes on in place of one that was removed, or that is away. */
  readonly instead?: string | undefined;
  readonly state?: ProtectionState;
}

/** Goes on with what runs: cleans it up, changes its point, cancels or commits it. */
export const orderNext = async (
  transaction: Transaction,
  { id, value }: Pick<Stored<RecoveryRecord>, 'id' | 'value'>,
  { store, plan, kind, actor, input = {}, recovery: part = {}, instead, state }: NextStep,
): Promise<Ordered> => {
  const { machineId, protectionId, machineName } = value;
  await refuseBusy(store, transaction, machineId, machineName);
  const isReplaced = instead !== undefined && instead !== value.serverId;
  const job = startJob(transaction, plan, {
    kind,
    machineId,
    protectionId,
    startedBy: actor,
    input: { recovery: id, ...(isReplaced && { replaced: value.serverId }), ...input },
    direction: 'forward',
  });
  if (isReplaced) {
    transaction.delete(wantedRecoveries, `${value.serverId}/${id}`);
    // One that comes back removes what it made; one that was removed is told when it reports.
    const isKnown = (await transaction.read(servers, value.serverId)) !== undefined;
    if (isKnown && value.goal !== undefined) transaction.put(leftOvers, `${value.serverId}/${id}`, handedOver(value));
    transaction.delete(leftOvers, `${instead}/${id}`);
  }
  const next: RecoveryRecord = {
    ...value,
    takenUp: false,
    ...(kind === 'commit' && { commitCancelled: false }),
    ...part,
    jobId: job.id,
    ...(isReplaced && { serverId: instead }),
  };
  transaction.put(recoveries, id, next);
  const protection = state === undefined ? undefined : await transaction.read(protections, protectionId);
  if (protection !== undefined && state !== undefined)
    transaction.put(protections, protectionId, { ...protection.value, state, stateDetail: '' });
  transaction.audit({ actor, action: kind, subject: machineId, detail: `${machineName} ${id}` });
  return { job, recovery: { id, key: recoveries.key(id), value: next } };
};

/** The open test or failover of a machine. Errors: OPERATION_REFUSED. */
export const openRecoveryOf = async (
  transaction: Pick<Transaction, 'read'>,
  machine: Pick<Stored<MachineRecord>, 'id' | 'value'>,
  kind: 'test' | 'failover',
): Promise<Stored<RecoveryRecord>> => {
  const open = await transaction.read(openRecoveries, `${machine.id}/${kind}`);
  const found = open === undefined ? undefined : await transaction.read(recoveries, open.value.recovery);
  if (found !== undefined) return found;
  throw requestInvalid(
    `machine ${machine.value.name}`,
    `there is no ${kind === 'test' ? 'test failover' : 'failover'} of it`,
    'see `holdfast recovery list`',
  );
};
