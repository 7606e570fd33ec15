import { HoldfastError } from '@holdfast/errors';
import type { RecoveryPoint } from '@holdfast/protocol';
import { inParallel } from '../jobs/in-parallel.ts';
import type { Waiting } from '../jobs/job-plan.ts';
import { type PointChoice, pointWord } from '../recovery/point-word.ts';
import { protectionOf } from './plan-protection.ts';
import { ALREADY, type PlanRunRecord, type RunMachine } from './plan-record.ts';
import { type PlanParts, planOf } from './plan-run.ts';

/** The instant that a run of a plan goes back to, and what there is of it. */
export interface GroupInstant {
  /** As a word that means, of each machine, its newest point at or before the instant. */
  readonly point: string;
  /** Of how many machines, and how far their points lie apart at most. */
  readonly detail: string;
  /** By machine, the point that is meant. */
  readonly chosen: ReadonlyMap<string, NonNullable<RunMachine['chosen']>>;
}

/** Machines that are asked for at once. */
const AT_ONCE = 8;

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
  const askAll = async (choice: PointChoice): Promise<ReadonlyMap<string, RecoveryPoint>> => {
    const machines = run.machines.filter(({ machineId }) => !own.has(machineId));
    const found = await inParallel(AT_ONCE, machines, async ({ machineId, name }) => {
      progress({ detail: `the points of ${name} are looked at`, fraction: -1 });
      const point = await ask(machineId, name, choice).catch((reason: unknown) => {
        throw reason instanceof HoldfastError ? ofMachine(reason, name) : reason;
      });
      return point === undefined ? [] : [[machineId, point] as const];
    });
    return new Map(found.flat());
  };
  const newest = await askAll(pointWord('latest-processed').choice);
  if (newest.size === 0)
    return { point: 'latest-processed', detail: 'no machine is left to be started from a common instant', chosen: new Map() };
  const timeOf = ({ unixMillis }: RecoveryPoint): number => Number(unixMillis);
  const instant = Math.min(...[...newest.values()].map(timeOf));
  // Each has one of that age still.
  const chosen = await askAll({ case: 'atUnixMillis', value: BigInt(instant) });
  const oldest = Math.min(...[...chosen.values()].map(timeOf));
  const point = new Date(instant).toISOString();
  return {
    point,
    detail: `${point}; of ${newest.size} machines the newest points until then lie within ${(instant - oldest) / 1000} s`,
    chosen: new Map([...chosen].map(([machineId, one]) => [machineId, { id: one.id, time: timeOf(one) }])),
  };
};

/** How far the points lie apart from which the machines of a run to one instant were started, and of which of them retention had thinned the one that was found. */
export const groupSpread = (machines: readonly RunMachine[]): string => {
  const started = machines.filter(({ chosen, pointTime }) => chosen !== undefined && pointTime > 0);
  if (started.length === 0) return '';
  const times = started.map(({ pointTime }) => pointTime);
  const others = started.filter(({ chosen, pointTime }) => chosen!.time !== pointTime).map(({ name }) => name);
  const thinned =
    others.length === 0 ? '' : `; of ${others.join(', ')} the point that was found was thinned meanwhile, and an older one taken`;
  return `; their points lie within ${(Math.max(...times) - Math.min(...times)) / 1000} s${thinned}`;
};

const ofMachine = ({ code, thing, why, remedy }: HoldfastError, name: string): HoldfastError =>
  new HoldfastError(code, { thing: thing.includes(name) ? thing : `machine ${name}: ${thing}`, why, remedy });
