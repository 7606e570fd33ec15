import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@holdfast/daemon';
import { fromSystem, type HoldfastError, isHoldfastError } from '@holdfast/errors';
import { find, listAll, type Stored } from '../records/kind.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import type { Notifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';
import { type JobPlan, type JobStep, stepsOf } from './job-plan.ts';
import {
  currentStep,
  endedJobs,
  hasEnded,
  type JobKind,
  type JobRecord,
  jobs,
  openJobs,
  questionOf,
  type StepProgress,
  type StepRecord,
} from './job-record.ts';
import { failureOf, failureQuestion, leaveOut, newQuestion, tellQuestion, tryAgain } from './questions.ts';
import { until } from './until.ts';

export interface JobEngineOptions {
  readonly store: StateStore;
  readonly notifier: Notifier;
  readonly plans: Readonly<Record<JobKind, JobPlan>>;
  readonly log: Log;
}

/** Carries jobs out. Everything it needs to go on is stored, so it goes on after any end of the program. */
export interface JobEngine {
  /** Goes on with the jobs that have not ended and takes new ones, until `stopping` aborts. */
  run(stopping: AbortSignal): Promise<void>;
  /** How far the step is that is under way. */
  progress(id: string): StepProgress | undefined;
  /** Calls `listener` when the progress of a job changes. */
  onProgress(id: string, listener: () => void): () => void;
}

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;

const withStep = (job: JobRecord, index: number, part: Partial<StepRecord>): JobRecord => ({
  ...job,
  steps: job.steps.map((step, at) => (at === index ? { ...step, ...part } : step)),
});

/** How a job ended, as an event. */
const tellEnd = (transaction: Transaction, id: string, job: JobRecord): void =>
  transaction.event({
    severity: job.state === 'failed' ? 'warning' : 'information',
    code: `job-${job.state}`,
    text: `Job ${job.kind} ${job.state}${job.problem === '' ? '' : `: ${job.problem}`}`,
    subject: job.machineId,
    actor: `job ${id.slice(0, 8)}`,
  });

export const createJobEngine = ({ store, notifier, plans, log }: JobEngineOptions): JobEngine => {
  const progresses = new Map<string, StepProgress>();
  const listeners = new Map<string, Set<() => void>>();
  const working = new Map<string, Promise<void>>();

  const setProgress = (id: string, progress: StepProgress): void => {
    progresses.set(id, progress);
    for (const listener of [...(listeners.get(id) ?? [])]) listener();
  };

  /** Changes the job in one commit with what `body` does; does nothing when it has ended or shall end otherwise. */
  const change = async (id: string, body: (transaction: Transaction, job: JobRecord) => Promise<JobRecord | undefined>): Promise<void> => {
    await transact(store, async (transaction) => {
      const stored = await transaction.read(jobs, id);
      if (stored === undefined || hasEnded(stored.value)) return;
      const next = await body(transaction, stored.value);
      if (next === undefined) return;
      transaction.put(jobs, id, next);
      if (!hasEnded(next)) return;
      transaction.delete(openJobs, id);
      transaction.put(endedJobs, `${next.state}/${id}`, {});
      tellEnd(transaction, id, next);
    });
  };

  const cancel = (id: string): Promise<void> =>
    change(id, async (transaction, job) => {
      await plans[job.kind].cancelled(transaction, job);
      const now = Date.now();
      const steps = job.steps.map((step) => (hasEnded(step) ? step : { ...step, state: 'cancelled' as const, ended: now }));
      return { ...job, state: 'cancelled', ended: now, steps };
    });

  const fail = (id: string, index: number, error: HoldfastError): Promise<void> =>
    change(id, async (transaction, job) => {
      await plans[job.kind].failed(transaction, job, error);
      const now = Date.now();
      const failed = withStep(job, index, { state: 'failed', ended: now, detail: error.why });
      return { ...failed, state: 'failed', ended: now, problemCode: error.code, problem: error.message };
    });

  const finish = (id: string, index: number, step: JobStep): Promise<void> =>
    change(id, async (transaction, job) => {
      if (job.cancelling) return undefined;
      const detail = (await step.apply?.(transaction, job, job.steps[index]!.answer)) ?? progresses.get(id)?.detail ?? '';
      const done = withStep(job, index, { state: 'succeeded', ended: Date.now(), detail });
      return index === job.steps.length - 1 ? { ...done, state: 'succeeded', ended: Date.now() } : done;
    });

  const begin = (id: string, index: number): Promise<void> =>
    change(id, async (_, job) => {
      if (job.steps[index]!.state === 'running') return undefined;
      return { ...withStep(job, index, { state: 'running', started: Date.now() }), state: 'running' };
    });

  /** Lets the job wait for somebody's answer. */
  const ask = (id: string, index: number, question: Parameters<typeof newQuestion>[0]): Promise<void> =>
    change(id, async (transaction, job) => {
      if (job.cancelling) return undefined;
      const asking = newQuestion(question);
      tellQuestion(transaction, id, job, asking);
      const { answer: _, ...step } = job.steps[index]!;
      const steps = job.steps.map((one, at) => (at === index ? { ...step, state: 'waiting' as const, question: asking } : one));
      return { ...job, state: 'waiting', steps };
    });

  /** What somebody chose after the step had failed. True when it was left out or the job failed with it. */
  const settleFailure = async (id: string, index: number, job: JobRecord): Promise<boolean> => {
    const { question, answer } = job.steps[index]!;
    if (question?.failure === undefined || answer === undefined) return false;
    if (answer.choice === 'fail') await fail(id, index, failureOf(question.failure));
    else await change(id, async (_, now) => (answer.choice === 'retry' ? tryAgain(now, index) : leaveOut(now, index)));
    return true;
  };

  /** Does the step at which the job stands, or a part of it. Whatever it gives, the job is read again afterwards. */
  const takeStep = async ({ id, value: job }: Stored<JobRecord>, index: number, signal: AbortSignal): Promise<void> => {
    const step = stepsOf(plans[job.kind], job)[index]!;
    progresses.delete(id);
    if (await settleFailure(id, index, job)) return;
    await begin(id, index);
    const isAnswered = job.steps[index]!.answer !== undefined;
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        if (!isAnswered) await step.wait?.(job, { signal, progress: (progress) => setProgress(id, progress) });
        if (signal.aborted) return;
        const question = isAnswered ? undefined : await step.ask?.(job);
        await (question === undefined ? finish(id, index, step) : ask(id, index, question));
        return;
      } catch (reason) {
        if (signal.aborted) return;
        const error = fromSystem(reason, `job ${id}`, 'INTERNAL');
        if (!error.retryable)
          return step.askWhenFailed === true ? ask(id, index, failureQuestion(step.name, error)) : fail(id, index, error);
        log.warn('A step of a job is tried again', { job: id, step: step.name, waitMillis: pause, error });
        setProgress(id, { detail: error.message, fraction: -1 });
        await sleep(pause, undefined, { signal }).catch(() => undefined);
      }
    }
  };

  /** Waits until the job no longer waits for an answer. */
  const answered = async (id: string, stopping: AbortSignal): Promise<void> => {
    const look = async (): Promise<true | undefined> => {
      const now = await find(store, jobs, id);
      return now === undefined || now.value.cancelling || questionOf(now.value) === undefined ? true : undefined;
    };
    await until(look, [(listener) => notifier.subscribe([jobs.key(id)], listener)], stopping);
  };

  const carryOut = async (id: string, stopping: AbortSignal): Promise<void> => {
    for (;;) {
      const stored = await find(store, jobs, id);
      if (stopping.aborted || stored === undefined || hasEnded(stored.value)) return;
      if (stored.value.cancelling) {
        await cancel(id);
        continue;
      }
      if (questionOf(stored.value) !== undefined) {
        await answered(id, stopping);
        continue;
      }
      const interrupt = new AbortController();
      const look = async (): Promise<void> => {
        const now = await find(store, jobs, id);
        if (now === undefined || now.value.cancelling) interrupt.abort();
      };
      const forget = notifier.subscribe([jobs.key(id)], () => void look().catch(() => interrupt.abort()));
      try {
        await takeStep(stored, currentStep(stored.value), AbortSignal.any([stopping, interrupt.signal]));
      } finally {
        forget();
      }
    }
  };

  /** Goes on with a job whose state could not be written for a while: the disk is full, say. Defects end the program. */
  const persist = async (id: string, stopping: AbortSignal): Promise<void> => {
    for (let pause = FIRST_PAUSE; !stopping.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        return await carryOut(id, stopping);
      } catch (reason) {
        if (!isHoldfastError(reason) || !reason.retryable) throw reason;
        log.error('A job cannot go on for now', { job: id, waitMillis: pause, error: reason });
        await sleep(pause, undefined, { signal: stopping }).catch(() => undefined);
      }
    }
  };

  const take = (id: string, stopping: AbortSignal, failed: (reason: Error) => void): void => {
    if (working.has(id)) return;
    const work = persist(id, stopping)
      .catch((reason: Error) => failed(reason))
      .finally(() => {
        working.delete(id);
        progresses.delete(id);
      });
    working.set(id, work);
  };

  return {
    progress: (id) => progresses.get(id),
    onProgress(id, listener) {
      const there = listeners.get(id) ?? new Set();
      const own = (): void => listener();
      listeners.set(id, there.add(own));
      return () => {
        there.delete(own);
        if (there.size === 0 && listeners.get(id) === there) listeners.delete(id);
      };
    },
    async run(stopping) {
      let failure: Error | undefined;
      const end = new AbortController();
      const signal = AbortSignal.any([stopping, end.signal]);
      const failed = (reason: Error): void => {
        failure ??= reason;
        end.abort();
      };
      let news = Promise.withResolvers<void>();
      const wake = (): void => news.resolve();
      const forget = notifier.subscribe([openJobs.prefix], wake);
      signal.addEventListener('abort', wake, { once: true });
      while (!signal.aborted) {
        news = Promise.withResolvers<void>();
        for await (const { id } of listAll(store, openJobs)) take(id, signal, failed);
        if (!signal.aborted) await news.promise;
      }
      forget();
      await Promise.all(working.values());
      if (failure !== undefined) throw failure;
    },
  };
};
