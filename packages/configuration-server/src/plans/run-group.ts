import { fromSystem, HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { Protection } from '@holdfast/protocol';
import { targetOver } from '../api/prerequisites.ts';
import type { Waiting } from '../jobs/job-plan.ts';
import { hasEnded, jobs } from '../jobs/job-record.ts';
import { retryJob } from '../jobs/retry-job.ts';
import { until } from '../jobs/until.ts';
import { find } from '../records/kind.ts';
import { transact } from '../records/transaction.ts';
import { chooseRecoveryServer } from '../recovery/choose-recovery-server.ts';
import { orderRecovery } from '../recovery/order-recovery.ts';
import { recoveries } from '../recovery/recovery-record.ts';
import { protectionOf } from './plan-protection.ts';
import { ALREADY, type PlanRunRecord, planRuns, type RunMachine } from './plan-record.ts';
import { noteMachine, type PlanParts, planOf } from './plan-run.ts';

/** Of a run to one instant: the point that was found for it; where retention has thinned that meanwhile, what the instant means now. */
const pointOf = async (
  { questions }: Pick<PlanParts, 'questions'>,
  { point }: PlanRunRecord,
  { machineId, chosen }: RunMachine,
  { vault, processServerId: server }: Protection,
  signal: AbortSignal,
): Promise<string> => {
  if (chosen === undefined) return point;
  try {
    const choice = { case: 'idPrefix', value: chosen.id } as const;
    await questions.ask({ machineId, vault, server, question: { case: 'choose', value: { choice } } }, signal);
    return chosen.id;
  } catch (reason) {
    if (isHoldfastError(reason, 'POINT_NOT_FOUND')) return point;
    throw reason;
  }
};

/** Orders the recovery of one machine of a run, once: what was ordered before an end of the program is found again. */
const orderOne = async (
  parts: PlanParts,
  runId: string,
  run: PlanRunRecord,
  machine: RunMachine,
  actor: string,
  signal: AbortSignal,
): Promise<void> => {
  const { store, servers, plans } = parts;
  const { machineId, name } = machine;
  const wish = planOf(run)
    .groups.flatMap(({ machines }) => machines)
    .find(({ machine }) => machine === machineId)!;
  const protection = await protectionOf(store, { machineId, name });
  if (run.kind === 'failover' && ALREADY.has(protection.state)) {
    await noteMachine(store, runId, machineId, { outcome: 'already failed over', runningAt: Date.now() });
    return;
  }
  const { vault, processServerId: own } = protection;
  const target = targetOver(protection.target, wish.target);
  const serverId = await chooseRecoveryServer(store, servers, { vault, fabric: target.fabric, wanted: wish.processServer, own });
  const point = wish.point || (await pointOf(parts, run, machine, protection, signal));
  await transact(store, async (transaction) => {
    const now = await transaction.read(planRuns, runId);
    const mine = now?.value.machines.find((one) => one.machineId === machineId);
    if (now === undefined || mine === undefined || mine.recoveryId !== '') return;
    const { job, recovery } = await orderRecovery(transaction, {
      store,
      plan: plans[run.kind === 'test' ? 'test-failover' : 'failover'],
      kind: run.kind,
      machineId,
      actor,
      serverId,
      target,
      point,
      shutdown: run.kind === 'failover' && run.shutdown,
      force: run.force,
      partOf: runId,
    });
    const machines = now.value.machines.map((one) =>
      one.machineId === machineId ? { ...one, recoveryId: recovery.id, jobId: job.id, outcome: 'starting' as const, problem: '' } : one,
    );
    transaction.put(planRuns, runId, { ...now.value, machines });
  });
};

/** One that failed before goes on where it stopped, or is ordered anew when it was taken back. */
const again = async ({ store, plans }: PlanParts, runId: string, run: PlanRunRecord, machine: RunMachine, actor: string): Promise<void> => {
  const recovery = machine.recoveryId === '' ? undefined : await find(store, recoveries, machine.recoveryId);
  if (recovery === undefined || recovery.value.ended !== 0 || run.kind === 'test') {
    await noteMachine(store, runId, machine.machineId, { recoveryId: '', jobId: '', outcome: 'waiting', problem: '' });
    return;
  }
  await transact(store, async (transaction) => {
    const job = await transaction.read(jobs, machine.jobId);
    if (job !== undefined && hasEnded(job.value)) await retryJob(store, transaction, plans.failover, job, actor);
  });
  await noteMachine(store, runId, machine.machineId, { outcome: 'starting', problem: '' });
};

/** Starts the machines of a group at the same time and waits until each runs or has failed. Errors: PLAN_ACTION_FAILED, naming those that do not run. */
export const runGroup = async (
  parts: PlanParts,
  runId: string,
  actor: string,
  group: number,
  { signal, progress }: Waiting,
): Promise<void> => {
  const { store, notifier } = parts;
  const current = async (): Promise<PlanRunRecord> => {
    const run = await find(store, planRuns, runId);
    if (run === undefined)
      throw new HoldfastError('RESOURCE_NOT_FOUND', { thing: `run ${runId}`, why: 'it is gone', remedy: 'start the plan anew' });
    return run.value;
  };
  const mine = (run: PlanRunRecord): readonly RunMachine[] => run.machines.filter((machine) => machine.group === group);

  const begun = await current();
  for (const machine of mine(begun).filter(({ outcome }) => outcome === 'failed')) await again(parts, runId, begun, machine, actor);
  await Promise.all(
    mine(await current())
      .filter(({ recoveryId, outcome }) => recoveryId === '' && outcome !== 'already failed over')
      .map(async (machine) => {
        try {
          await orderOne(parts, runId, begun, machine, actor, signal);
        } catch (reason) {
          await noteMachine(store, runId, machine.machineId, { outcome: 'failed', problem: fromSystem(reason, machine.name).message });
        }
      }),
  );

  /** Brings what is known of a machine's job into the run. */
  const settle = async ({ machineId, jobId, recoveryId }: RunMachine): Promise<void> => {
    const job = await find(store, jobs, jobId);
    if (job === undefined || !hasEnded(job.value)) return;
    const recovery = await find(store, recoveries, recoveryId);
    if (job.value.state === 'succeeded')
      await noteMachine(store, runId, machineId, {
        outcome: 'running',
        runningAt: job.value.ended,
        pointTime: recovery?.value.point?.time ?? 0,
      });
    else
      await noteMachine(store, runId, machineId, {
        outcome: 'failed',
        problem: job.value.problem || `its job was ${job.value.state}`,
      });
  };
  const started = mine(await current()).filter(({ outcome }) => outcome === 'starting');
  const look = async (): Promise<true | undefined> => {
    for (const machine of mine(await current()).filter(({ outcome }) => outcome === 'starting')) await settle(machine);
    const all = mine(await current());
    const running = all.filter(({ runningAt }) => runningAt > 0).length;
    progress({ detail: `${running} of ${all.length} machines run`, fraction: running / all.length });
    return all.some(({ outcome }) => outcome === 'starting') ? undefined : true;
  };
  const watched = started.map(
    ({ jobId }) =>
      (listener: () => void) =>
        notifier.subscribe([jobs.key(jobId)], listener),
  );
  await until(look, watched, signal);
  if (signal.aborted) return;
  const failed = mine(await current()).filter(({ outcome }) => outcome === 'failed');
  if (failed.length === 0) return;
  throw new HoldfastError('PLAN_ACTION_FAILED', {
    thing: `group ${group + 1}`,
    why: failed.map(({ name, problem }) => `${name} does not run: ${problem}`).join('; '),
    remedy: 'mend what is named, then retry the step; or leave it out and go on without them',
  });
};
