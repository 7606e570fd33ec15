import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { type RecoveryPlan, RecoveryPlanSchema } from '@holdfast/protocol';
import type { JobPlan } from '../jobs/job-plan.ts';
import { transact } from '../records/transaction.ts';
import type { RecoveryParts } from '../recovery/steps.ts';
import { type PlanRunRecord, planRuns } from './plan-record.ts';

export interface PlanParts extends RecoveryParts {
  /** The jobs that start machines. */
  readonly plans: Readonly<Record<'test-failover' | 'failover', JobPlan>>;
  /** Where scripts of plans are, and milliseconds one may take. */
  readonly scripts: string | undefined;
  readonly scriptLimit: number;
}

/** The plan of a run, as it was when the run began. */
export const planOf = ({ plan }: Pick<PlanRunRecord, 'plan'>): RecoveryPlan =>
  fromJson(RecoveryPlanSchema, plan as JsonValue, { ignoreUnknownFields: true });

/** Changes one machine of a run within a commit. */
export const noteMachine = async (
  store: RecoveryParts['store'],
  runId: string,
  machineId: string,
  part: Partial<PlanRunRecord['machines'][number]>,
): Promise<void> => {
  await transact(store, async (transaction) => {
    const run = await transaction.read(planRuns, runId);
    if (run === undefined) return;
    const machines = run.value.machines.map((one) => (one.machineId === machineId ? { ...one, ...part } : one));
    if (JSON.stringify(machines) !== JSON.stringify(run.value.machines)) transaction.put(planRuns, runId, { ...run.value, machines });
  });
};
