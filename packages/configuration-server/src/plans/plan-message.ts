import { create } from '@bufbuild/protobuf';
import { Direction, type PlanRun, PlanRunSchema, type RecoveryPlan, RecoveryPlanSchema } from '@holdfast/protocol';
import type { Stored } from '../records/kind.ts';
import { RECOVERY_KINDS } from '../recovery/recovery-record.ts';
import type { PlanRunRecord } from './plan-record.ts';

export const planMessage = ({ id, version, value }: Pick<Stored<RecoveryPlan>, 'id' | 'version' | 'value'>): RecoveryPlan =>
  create(RecoveryPlanSchema, { ...value, id, version: BigInt(version) });

/** A run as people see it, with what it took. */
export const runMessage = ({ id, value }: Pick<Stored<PlanRunRecord>, 'id' | 'value'>): PlanRun => {
  const { started, machines } = value;
  const all = machines.length > 0 && machines.every(({ runningAt }) => runningAt > 0);
  const points = machines.map(({ pointTime }) => pointTime).filter((time) => time > 0);
  return create(PlanRunSchema, {
    id,
    planId: value.planId,
    planName: value.planName,
    kind: RECOVERY_KINDS[value.kind],
    direction: Direction.FORWARD,
    startedBy: value.startedBy,
    startedUnixMillis: BigInt(started),
    endedUnixMillis: BigInt(value.ended),
    state: value.state,
    jobId: value.jobId,
    rtoMillis: BigInt(all ? Math.max(0, ...machines.map(({ runningAt }) => runningAt - started)) : 0),
    rpoMillis: BigInt(points.length === 0 ? 0 : Math.max(0, started - Math.min(...points))),
    machines: machines.map((one) => ({
      machineId: one.machineId,
      machineName: one.name,
      group: one.group + 1,
      recoveryId: one.recoveryId,
      pointUnixMillis: BigInt(one.pointTime),
      runningAfterMillis: BigInt(one.runningAt === 0 ? 0 : one.runningAt - started),
      state: one.outcome,
      problem: one.problem,
    })),
  });
};
