import { idText, type RecoveryPoint, type RecoveryReport, RecoveryStage } from '@holdfast/protocol';
import type { AgentPresence, ServerPresence } from '../control/presence.ts';
import type { JobStep } from '../jobs/job-plan.ts';
import type { JobRecord, StepProgress } from '../jobs/job-record.ts';
import { everySecond, serverName } from '../jobs/steps.ts';
import { until } from '../jobs/until.ts';
import type { Stored } from '../records/kind.ts';
import type { Transaction } from '../records/transaction.ts';
import type { Notifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';
import { pointWord } from './point-word.ts';
import { errorOfMember, type Questions } from './questions.ts';
import { changeRecovery, isAtLeast, isEnding, recoveryIdOf, recoveryOf, want } from './recovery-commits.ts';
import { type ChosenPoint, GOALS, type Goal, goalOf, type RecoveryRecord, recoveries } from './recovery-record.ts';

export interface RecoveryParts {
  readonly store: StateStore;
  readonly notifier: Notifier;
  readonly agents: AgentPresence;
  readonly servers: ServerPresence;
  readonly questions: Questions;
}

/** What is kept of a point that was chosen. */
export const chosenPoint = ({ id, unixMillis, kind, disks, unreadableBytes }: RecoveryPoint): ChosenPoint => ({
  id,
  time: Number(unixMillis),
  kind,
  disks: [...disks],
  unreadable: Number(unreadableBytes),
});

/** Words about a point: "abcdef12 of 2026-11-22T10:00:00.000Z". */
export const pointWords = ({ id, time }: ChosenPoint): string => `${id.slice(0, 8)} of ${new Date(time).toISOString()}`;

/** Chooses the point that the job's input names; `then` is done in the commit that keeps it. */
export const choosePointStep = (
  { store, questions }: RecoveryParts,
  then: (transaction: Transaction, job: JobRecord, point: ChosenPoint) => Promise<void>,
): JobStep => {
  /** By machine, of what was asked last, since the commit that takes it up may be tried again; asked again after a restart. */
  const found = new Map<string, ChosenPoint>();
  return {
    name: 'choose the point',
    async wait(job, { signal, progress }) {
      const { value: recovery } = await recoveryOf(store, job);
      progress({ detail: 'the process server looks into the vault', fraction: -1 });
      const { choice } = pointWord(recovery.lastPoint || job.input?.['point'] || '');
      const { machineId, vault, serverId: server } = recovery;
      const answer = await questions.ask({ machineId, vault, server, question: { case: 'choose', value: { choice } } }, signal);
      const [point] = answer.points;
      if (point === undefined) throw errorOfMember(`machine ${recovery.machineName}`, 'POINT_NOT_FOUND', 'the answer names none', '');
      found.set(job.machineId, chosenPoint(point));
    },
    async apply(transaction, job) {
      const point = found.get(job.machineId)!;
      await then(transaction, job, point);
      return pointWords(point);
    },
  };
};

/** A step that was done before this server was restored, as far as what was taken up of the recovery tells; else the step. */
export const unlessTakenUp = ({ store }: Pick<RecoveryParts, 'store'>, step: JobStep): JobStep => ({
  name: step.name,
  async wait(job, waiting) {
    if ((await recoveryOf(store, job)).value.takenUp !== true) await step.wait?.(job, waiting);
  },
  async apply(transaction, job) {
    const recovery = await transaction.read(recoveries, recoveryIdOf(job));
    return recovery?.value.takenUp === true ? 'it was done before this server was restored' : (step.apply?.(transaction, job) ?? '');
  },
});

/** Keeps the chosen point with the recovery. */
export const keepPoint = async (transaction: Transaction, job: JobRecord, point: ChosenPoint): Promise<void> => {
  await changeRecovery(transaction, job, { point });
};

/** It is there, or further. A machine that runs was held and fenced before, whatever else is wanted of it; but it says of no ending that it is over. */
const isReached = ({ goal, stage, machine }: RecoveryReport, wanted: Goal): boolean =>
  stage === RecoveryStage.REACHED || (goal !== GOALS[wanted] && !isEnding(wanted) && machine !== undefined);

/** Orders the goal of its process server, unless more is ordered, and waits until that says that it is reached. Errors: those it tells of. */
export const reach = async (
  { store, servers }: Pick<RecoveryParts, 'store' | 'servers'>,
  job: JobRecord,
  goal: Goal,
  signal: AbortSignal,
  progress: (progress: StepProgress) => void,
): Promise<void> => {
  await want(store, job, goal);
  const { id, value } = await recoveryOf(store, job);
  const look = async (): Promise<true | undefined> => {
    const known = servers.get(value.serverId);
    if (known?.connected !== true) {
      progress({ detail: `waiting for process server ${await serverName(store, value.serverId)}, which is not connected`, fraction: -1 });
      return undefined;
    }
    const report = known.report?.recoveries.find((one) => idText(one.id) === id);
    const told = report === undefined ? undefined : goalOf(report.goal);
    if (report === undefined || idText(report.runId) !== value.runId || told === undefined) return undefined;
    if (!isAtLeast(told, goal) || isEnding(told) !== isEnding(goal)) return undefined;
    if (isReached(report, goal)) return true;
    if (report.stage === RecoveryStage.FAILED)
      throw errorOfMember(`recovery of ${value.machineName}`, report.problemCode, report.problem, report.remedy);
    const trouble = report.problem === '' ? '' : `; tried again: ${report.problem.slice(0, 500)}`;
    progress({ detail: `${report.detail.slice(0, 500)}${trouble}`, fraction: report.fraction });
    return undefined;
  };
  await until(look, [everySecond, (listener) => servers.subscribe(value.serverId, listener)], signal);
};

/** A step that brings the recovery to a goal. */
export const reachStep = (
  parts: RecoveryParts,
  name: string,
  goal: Goal,
  apply: (transaction: Transaction, job: JobRecord, recovery: Stored<RecoveryRecord>) => Promise<string>,
): JobStep => ({
  name,
  wait: (job, { signal, progress }) => reach(parts, job, goal, signal, progress),
  async apply(transaction, job) {
    const recovery = await transaction.read(recoveries, recoveryIdOf(job));
    if (recovery === undefined) return 'it is gone';
    return apply(transaction, job, recovery);
  },
});
