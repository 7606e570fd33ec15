import { HoldfastError } from '@holdfast/errors';
import type { RecoveryPoint } from '@holdfast/protocol';
import type { Waiting } from '../jobs/job-plan.ts';
import { type PointChoice, pointWord } from '../recovery/point-word.ts';
import { protectionOf } from './plan-protection.ts';
import { ALREADY, type PlanRunRecord } from './plan-record.ts';
import { type PlanParts, planOf } from './plan-run.ts';

/** The instant that a run of a plan goes back to, and what there is of it. */
export interface GroupInstant {
  /** As a word that means, of each machine, its newest point at or before the instant. */
  readonly point: string;
  /** Of how many machines, and how far their points lie apart at most. */
  readonly detail: string;
}

/**
 * The newest instant for which each machine of a run has a point: that of the machine whose newest point is the oldest. Of each machine the newest point at
 * or before it is meant, so that none shows what another one does not know yet by more than its point interval. Machines for which the plan names a point,
 * and those that are failed over already, are left out. Errors: POINT_NOT_FOUND, MACHINE_NOT_PROTECTED, those of questions, each naming the machine.
 */
export const findGroupInstant = async (
  { store, questions }: Pick<PlanParts, 'store' | 'questions'>,
  run: PlanRunRecord,
  { signal, progress }: Waiting,
): Promise<GroupInstant> => {
  const own = new Set(
    planOf(run).groups.flatMap(({ machines }) => machines.flatMap(({ machine, point }) => (point === '' ? [] : [machine]))),
  );
  const ask = async (machineId: string, name: string, choice: PointChoice): Promise<RecoveryPoint | undefined> => {
    const { state, vault, processServerId: server } = await protectionOf(store, { machineId, name });
    if (run.kind === 'failover' && ALREADY.has(state)) return undefined;
    const [point] = (await questions.ask({ machineId, vault, server, question: { case: 'choose', value: { choice } } }, signal)).points;
    if (point !== undefined) return point;
    throw new HoldfastError('POINT_NOT_FOUND', {
      thing: `machine ${name}`,
      why: 'its process server names no point',
      remedy: 'see `holdfast point list` for what there is',
    });
  };
  const askAll = async (choice: PointChoice): Promise<number[]> => {
    const times: number[] = [];
    for (const { machineId, name } of run.machines) {
      if (own.has(machineId)) continue;
      progress({ detail: `the points of ${name} are looked at`, fraction: -1 });
      const point = await ask(machineId, name, choice).catch((reason: unknown) => {
        throw reason instanceof HoldfastError ? ofMachine(reason, name) : reason;
      });
      if (point !== undefined) times.push(Number(point.unixMillis));
    }
    return times;
  };
  const newest = await askAll(pointWord('latest-processed').choice);
  if (newest.length === 0) return { point: 'latest-processed', detail: 'no machine is left to be started from a common instant' };
  const instant = Math.min(...newest);
  // Each has one of that age still.
  const oldest = Math.min(...(await askAll({ case: 'atUnixMillis', value: BigInt(instant) })));
  const point = new Date(instant).toISOString();
  return {
    point,
    detail: `${point}; of ${newest.length} machines the newest points until then lie within ${(instant - oldest) / 1000} s`,
  };
};

const ofMachine = ({ code, thing, why, remedy }: HoldfastError, name: string): HoldfastError =>
  new HoldfastError(code, { thing: thing.includes(name) ? thing : `machine ${name}: ${thing}`, why, remedy });
