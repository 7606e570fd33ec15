import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '@holdfast/errors';
import type { PlanAction, RecoveryPlan } from '@holdfast/protocol';
import type { JobPlan, JobStep } from '../jobs/job-plan.ts';
import { hasEnded, type JobRecord, jobs } from '../jobs/job-record.ts';
import { find } from '../records/kind.ts';
import type { Transaction } from '../records/transaction.ts';
import { LATEST_GROUP } from '../recovery/point-word.ts';
import { findGroupInstant, type GroupInstant, groupSpread } from './latest-group.ts';
import { openRuns, type PlanRunRecord, planRuns } from './plan-record.ts';
import { type PlanParts, planOf } from './plan-run.ts';
import { runGroup } from './run-group.ts';
import { runPlanScript } from './run-script.ts';

const runIdOf = ({ input }: Pick<JobRecord, 'input'>): string => input?.['run'] ?? '';

const gone = (id: string): HoldfastError =>
  new HoldfastError('RESOURCE_NOT_FOUND', { thing: `run ${id}`, why: 'it is not there any more', remedy: 'start the plan anew' });

const actionOf = (plan: RecoveryPlan, group: number, phase: 'before' | 'after', index: number): PlanAction['action'] =>
  plan.groups[group]![phase][index]!.action;

/** Ends the run with its job. */
const endRun = async (transaction: Transaction, job: Pick<JobRecord, 'input'>, state: PlanRunRecord['state']): Promise<void> => {
  const stored = await transaction.read(planRuns, runIdOf(job));
  if (stored === undefined) return;
  transaction.put(planRuns, stored.id, { ...stored.value, state, ended: Date.now() });
  transaction.delete(openRuns, stored.value.planId);
};

export const createPlanJob = (parts: PlanParts): JobPlan => {
  const { store, scripts, scriptLimit } = parts;
  const runOf = async (job: Pick<JobRecord, 'input'>) => {
    const found = await find(store, planRuns, runIdOf(job));
    if (found === undefined) throw gone(runIdOf(job));
    return found;
  };

  const script = (group: number, phase: 'before' | 'after', index: number): JobStep => ({
    name: `group ${group + 1}, ${phase}: script ${index + 1}`,
    askWhenFailed: true,
    async wait(job, { signal, progress }) {
      const { id, value } = await runOf(job);
      const plan = planOf(value);
      const what = actionOf(plan, group, phase, index);
      if (what.case !== 'script') return;
      progress({ detail: `script ${what.value} runs`, fraction: -1 });
      const environment = {
        HOLDFAST_PLAN: value.planName,
        HOLDFAST_RUN: id,
        HOLDFAST_KIND: value.kind,
        HOLDFAST_GROUP: plan.groups[group]!.name,
        HOLDFAST_PHASE: phase,
        HOLDFAST_MACHINES: value.machines
          .filter((machine) => machine.group === group)
          .map(({ name }) => name)
          .join(' '),
      };
      const said = await runPlanScript({ directory: scripts, name: what.value, limit: scriptLimit, environment }, signal);
      progress({
        detail: `script ${what.value} ended well${said === '' ? '' : `: ${said.slice(-300).replaceAll(/\s+/g, ' ')}`}`,
        fraction: 1,
      });
    },
  });

  const manual = (group: number, phase: 'before' | 'after', index: number): JobStep => ({
    name: `group ${group + 1}, ${phase}: action ${index + 1}`,
    async ask(job) {
      const what = actionOf(planOf((await runOf(job)).value), group, phase, index);
      if (what.case !== 'manual') return undefined;
      return {
        text: what.value,
        choices: [
          { word: 'done', meaning: 'it was done: the plan goes on' },
          { word: 'skip', meaning: 'it is left out: the plan goes on' },
          { word: 'stop', meaning: 'the plan ends here; machines that run go on' },
        ],
      };
    },
    async apply(_, job, answer) {
      if (answer === undefined) return '';
      if (answer.choice === 'stop')
        throw new HoldfastError('PLAN_ACTION_FAILED', {
          thing: `plan of job ${job.kind}`,
          why: `${answer.by} stopped it${answer.note === '' ? '' : `: ${answer.note}`}`,
          remedy: 'retry the job to go on at this step',
        });
      return `${answer.choice === 'done' ? 'done' : 'left out'} by ${answer.by}${answer.note === '' ? '' : `: ${answer.note}`}`;
    },
  });

  const delay = (group: number): JobStep => ({
    name: `group ${group + 1}: delay`,
    async wait(job, { signal, progress }) {
      const { delaySeconds, name } = planOf((await runOf(job)).value).groups[group]!;
      const began = job.steps.find((step) => step.name === `group ${group + 1}: delay`)?.started || Date.now();
      const left = began + delaySeconds * 1000 - Date.now();
      progress({ detail: delaySeconds === 0 ? `${name} begins` : `${delaySeconds} s before ${name} begins`, fraction: -1 });
      if (left > 0) await sleep(left, undefined, { signal }).catch(() => undefined);
    },
  });

  const instants = new Map<string, GroupInstant>();
  /** The instant is kept with the run before anything is started: whatever comes in between, all machines go back to the same one. */
  const commonInstant: JobStep = {
    name: 'find the newest instant of all machines',
    async wait(job, waiting) {
      const { id, value } = await runOf(job);
      if (value.point === LATEST_GROUP) instants.set(id, await findGroupInstant(parts, value, waiting));
    },
    async apply(transaction, job) {
      const run = await transaction.read(planRuns, runIdOf(job));
      const found = instants.get(runIdOf(job));
      if (run === undefined || found === undefined || run.value.point !== LATEST_GROUP) return 'it is known';
      const machines = run.value.machines.map((machine) => {
        const chosen = found.chosen.get(machine.machineId);
        return chosen === undefined ? machine : { ...machine, chosen };
      });
      transaction.put(planRuns, run.id, { ...run.value, point: found.point, machines });
      return found.detail;
    },
  };

  const groupSteps = (layout: string, group: number): JobStep[] => {
    const [before = '', count = '0', after = ''] = layout.split('-');
    const machines = Number(count);
    const actions = (phase: 'before' | 'after', signs: string): JobStep[] =>
      [...signs].map((sign, index) => (sign === 's' ? script : manual)(group, phase, index));
    const start: JobStep = {
      name: `group ${group + 1}: ${machines} machine${machines === 1 ? '' : 's'}`,
      askWhenFailed: true,
      wait: (job, waiting) => runGroup(parts, runIdOf(job), job.startedBy, group, waiting),
    };
    return [delay(group), ...actions('before', before), ...(machines === 0 ? [] : [start]), ...actions('after', after)];
  };

  /** What begins with it is brought to its end by its own job; those that are at work are called off. */
  const callOff = async (transaction: Transaction, job: JobRecord): Promise<void> => {
    const run = await transaction.read(planRuns, runIdOf(job));
    for (const { jobId } of run?.value.machines ?? []) {
      const child = jobId === '' ? undefined : await transaction.read(jobs, jobId);
      if (child !== undefined && !hasEnded(child.value)) transaction.put(jobs, jobId, { ...child.value, cancelling: true });
    }
  };

  return {
    steps: ({ input }) => [
      ...(input?.['point'] === LATEST_GROUP ? [commonInstant] : []),
      ...(input?.['layout'] ?? '').split(' ').flatMap(groupSteps),
      {
        name: 'report',
        async apply(transaction, job) {
          const run = await transaction.read(planRuns, runIdOf(job));
          if (run === undefined) return 'it is gone';
          await endRun(transaction, job, 'succeeded');
          const { machines, started, planName, kind } = run.value;
          const running = machines.filter(({ runningAt }) => runningAt > 0);
          const last = Math.max(started, ...running.map(({ runningAt }) => runningAt));
          const words = `${running.length} of ${machines.length} machines run, the last one ${((last - started) / 1000).toFixed(1)} s after the start${groupSpread(machines)}`;
          transaction.event({
            severity: running.length === machines.length ? 'information' : 'warning',
            code: 'plan-ended',
            text: `Plan ${planName} (${kind}): ${words}`,
            subject: run.value.planId,
            actor: job.startedBy,
          });
          return words;
        },
      },
    ],
    async cancelled(transaction, job) {
      await callOff(transaction, job);
      await endRun(transaction, job, 'cancelled');
    },
    failed: (transaction, job) => endRun(transaction, job, 'failed'),
    async retried(transaction, job, failed) {
      const run = await transaction.read(planRuns, runIdOf(job));
      if (run === undefined) throw gone(runIdOf(job));
      const other = await transaction.read(openRuns, run.value.planId);
      if (other !== undefined && other.value.run !== run.id)
        throw new HoldfastError('JOB_RUNNING', {
          thing: `plan ${run.value.planName}`,
          why: 'another run of it is at work',
          remedy: 'wait for it',
        });
      transaction.put(openRuns, run.value.planId, { run: run.id });
      transaction.put(planRuns, run.id, { ...run.value, state: 'running', ended: 0 });
      return failed;
    },
  };
};
