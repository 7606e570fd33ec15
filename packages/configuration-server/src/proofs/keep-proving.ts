import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@holdfast/daemon';
import { isHoldfastError } from '@holdfast/errors';
import { type ProofSchedule, ProtectionState } from '@holdfast/protocol';
import type { JobPlan } from '../jobs/job-plan.ts';
import { openJobOf } from '../jobs/open-job-of.ts';
import { recoveryPlans } from '../plans/plan-record.ts';
import { restoredOf } from '../reconcile/restored.ts';
import { find, listAll } from '../records/kind.ts';
import { machines, policies, protections } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';
import { startProof } from './proof-plan.ts';
import { machineProofs, NO_PROOFS } from './proof-record.ts';
import { isScheduled, lastDue, longestAge } from './proof-schedule.ts';

/** States in which a machine has points and nothing of a failover is at work. */
const PROVEN: ReadonlySet<ProtectionState> = new Set([ProtectionState.PROTECTED, ProtectionState.RESYNCHRONIZING, ProtectionState.FAILED]);

/** The schedules of all protected machines, by machine: that of its policy first, then those of plans it is in. */
export const proofSchedules = async (store: StateStore): Promise<ReadonlyMap<string, readonly ProofSchedule[]>> => {
  const found = new Map<string, ProofSchedule[]>();
  const add = (machine: string, schedule: ProofSchedule | undefined): void => {
    if (isScheduled(schedule)) found.set(machine, [...(found.get(machine) ?? []), schedule]);
  };
  const ofPolicy = new Map<string, ProofSchedule | undefined>();
  for await (const { id, value } of listAll(store, policies)) ofPolicy.set(id, value.proof);
  for await (const { value } of listAll(store, protections)) add(value.machineId, ofPolicy.get(value.policyId));
  for await (const { value } of listAll(store, recoveryPlans))
    for (const { machines: members } of value.groups) for (const { machine } of members) add(machine, value.proof);
  return found;
};

/** Milliseconds after which the last proven point of a machine is too old; undefined where no schedule says so. */
export const oldestAllowed = (schedules: readonly ProofSchedule[] | undefined): number | undefined =>
  schedules === undefined || schedules.length === 0 ? undefined : Math.min(...schedules.map(longestAge));

/** Begins the proofs that are due now. */
export const proveDue = async (store: StateStore, plan: Pick<JobPlan, 'steps'>, log: Log, now = Date.now()): Promise<void> => {
  // What a restored server believes of its machines may be long over.
  if ((await restoredOf(store)) !== undefined) return;
  const schedules = await proofSchedules(store);
  for await (const { id, value } of listAll(store, machineProofs)) {
    if (value.since === 0 || schedules.has(id)) continue;
    await transact(store, async (transaction) => {
      const stored = await transaction.read(machineProofs, id);
      if (stored !== undefined) transaction.put(machineProofs, id, { ...stored.value, since: 0 });
    });
  }
  for await (const { value: protection } of listAll(store, protections)) {
    const { machineId } = protection;
    const own = schedules.get(machineId);
    if (own === undefined) continue;
    const known = (await find(store, machineProofs, machineId))?.value ?? NO_PROOFS;
    if (known.since === 0) {
      // Only what is due from now on: nobody who makes a schedule means this moment.
      await transact(store, async (transaction) => {
        const before = (await transaction.read(machineProofs, machineId))?.value ?? NO_PROOFS;
        transaction.put(machineProofs, machineId, { ...before, since: now });
      });
      continue;
    }
    const due = own.find((schedule) => lastDue(schedule, now) > Math.max(known.attempted, known.since));
    if (due === undefined || !PROVEN.has(protection.state) || (await openJobOf(store, machineId)) !== undefined) continue;
    try {
      await transact(store, async (transaction) => {
        const machine = await transaction.read(machines, machineId);
        if (machine === undefined || machine.value.protectionId === '') return;
        await startProof(transaction, plan, { machine, actor: 'schedule', point: 'latest-processed', checks: due, scheduled: true });
      });
    } catch (error) {
      if (!isHoldfastError(error, 'JOB_RUNNING')) throw error;
      log.debug('A scheduled proof waits for the one that is at work', { machine: machineId });
    }
  }
};

/** Milliseconds between looks: schedules are in minutes. */
const LOOK = 30_000;

/** Looks until `stopping` aborts. */
export const keepProving = async (store: StateStore, plan: Pick<JobPlan, 'steps'>, log: Log, stopping: AbortSignal): Promise<void> => {
  while (!stopping.aborted) {
    try {
      await proveDue(store, plan, log);
    } catch (error) {
      log.warn('Scheduled proofs could not be begun; it is tried again', { error });
    }
    await sleep(LOOK, undefined, { signal: stopping }).catch(() => undefined);
  }
};
