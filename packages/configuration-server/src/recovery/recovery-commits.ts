import { HoldfastError } from '@holdfast/errors';
import { newId, ProtectionState } from '@holdfast/protocol';
import type { JobRecord } from '../jobs/job-record.ts';
import { find, type Stored } from '../records/kind.ts';
import { protections } from '../records/kinds.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';
import { GOALS, type Goal, openRecoveries, type RecoveryRecord, recoveries, wantedRecoveries } from './recovery-record.ts';

/** The id of the recovery that a job is about. */
export const recoveryIdOf = ({ input }: Pick<JobRecord, 'input'>): string => input?.['recovery'] ?? '';

const gone = (id: string): HoldfastError =>
  new HoldfastError('RESOURCE_NOT_FOUND', {
    thing: `recovery ${id}`,
    why: 'it is not there any more',
    remedy: 'see `holdfast recovery list`',
  });

/** The recovery a job is about. Errors: RESOURCE_NOT_FOUND. */
export const recoveryOf = async (store: StateStore, job: Pick<JobRecord, 'input'>): Promise<Stored<RecoveryRecord>> => {
  const found = await find(store, recoveries, recoveryIdOf(job));
  if (found === undefined) throw gone(recoveryIdOf(job));
  return found;
};

/** Another attempt: nothing that was made for an earlier one counts any more. */
export const newRun = ({ attempt = 0 }: Pick<RecoveryRecord, 'attempt'> = {}): Required<Pick<RecoveryRecord, 'runId' | 'attempt'>> => ({
  runId: newId(),
  attempt: Math.max(Date.now(), attempt + 1),
});

/**
 * It goes: an order of its own for its process server, which works on one that failed no further until it is told something else. Together with the goal,
 * since a new run of one that shall run would be another machine.
 */
export const endingAnew = (goal: Extract<Goal, 'discarded' | 'released'>): Pick<RecoveryRecord, 'state' | 'goal' | 'runId'> => ({
  state: 'ending',
  goal,
  runId: newId(),
});

/** Changes the recovery of a job within a commit. */
export const changeRecovery = async (
  transaction: Transaction,
  job: Pick<JobRecord, 'input'>,
  part: Partial<RecoveryRecord>,
): Promise<RecoveryRecord> => {
  const id = recoveryIdOf(job);
  const stored = await transaction.read(recoveries, id);
  if (stored === undefined) throw gone(id);
  const next = { ...stored.value, ...part };
  transaction.put(recoveries, id, next);
  return next;
};

const ORDER = Object.keys(GOALS) as readonly Goal[];

/** Whether `goal` lies behind `other`, or is it. */
export const isAtLeast = (goal: Goal, other: Goal): boolean => ORDER.indexOf(goal) >= ORDER.indexOf(other);

/** What ends it: nobody looks after it any more. */
export const isEnding = (goal: Goal | undefined): boolean => goal === 'forgotten' || goal === 'discarded' || goal === 'released';

/**
 * Its process server is told to bring it there, unless it is told more already: of a machine that runs, a job that goes on from an older knowledge takes
 * nothing away. Done again, nothing happens. Errors: JOB_ENDED when it is being taken back.
 */
export const want = (store: StateStore, job: Pick<JobRecord, 'input'>, goal: Goal): Promise<unknown> =>
  transact(store, async (transaction) => {
    const id = recoveryIdOf(job);
    const stored = await transaction.read(recoveries, id);
    if (stored === undefined) throw gone(id);
    const place = `${stored.value.serverId}/${id}`;
    const before = stored.value.goal;
    if (isEnding(before) && !isEnding(goal))
      throw new HoldfastError('JOB_ENDED', { thing: `recovery ${id}`, why: 'it was taken back', remedy: 'order it anew' });
    if (before === undefined || !isAtLeast(before, goal)) transaction.put(recoveries, id, { ...stored.value, goal });
    if ((await transaction.read(wantedRecoveries, place)) === undefined) transaction.put(wantedRecoveries, place, {});
  });

/** It is over: nothing is wanted of anybody any more, and it becomes history. */
export const endRecovery = async (
  transaction: Transaction,
  job: Pick<JobRecord, 'input'>,
  part: Partial<RecoveryRecord> = {},
): Promise<RecoveryRecord> => {
  const next = await changeRecovery(transaction, job, { state: 'ended', ended: Date.now(), ...part });
  const id = recoveryIdOf(job);
  transaction.delete(wantedRecoveries, `${next.serverId}/${id}`);
  const open = await transaction.read(openRecoveries, `${next.machineId}/${next.kind}`);
  if (open?.value.recovery === id) transaction.delete(openRecoveries, `${next.machineId}/${next.kind}`);
  return next;
};

/** Of a failover whose commit was cancelled too late. */
export const NOT_HELD = 'its disks are copied and its point is held no more: commit it, or cancel the failover';

/** Puts the state of the protection a job is about into a commit; does nothing when it is gone. */
export const setState = async (
  transaction: Transaction,
  { protectionId }: Pick<JobRecord, 'protectionId'>,
  state: ProtectionState,
  stateDetail = '',
): Promise<void> => {
  const protection = await transaction.read(protections, protectionId);
  if (protection !== undefined) transaction.put(protections, protectionId, { ...protection.value, state, stateDetail });
};

/** States that a protection is in while a failover is at work on it. */
export const FAILING: ReadonlySet<ProtectionState> = new Set([
  ProtectionState.FAILING_OVER,
  ProtectionState.FAILED_OVER,
  ProtectionState.CANCELLING,
  ProtectionState.COMMITTING,
]);
