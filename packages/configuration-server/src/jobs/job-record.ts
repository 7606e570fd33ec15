import { randomBytes } from 'node:crypto';
import type { HoldfastError } from '@holdfast/errors';
import { plainKind } from '../records/kind.ts';

export type JobKind =
  | 'protect'
  | 'unprotect'
  | 'point'
  | 'move'
  | 'test-failover'
  | 'clean-up-test'
  | 'failover'
  | 'change-point'
  | 'cancel-failover'
  | 'commit'
  | 'start-machine'
  | 'forget-recovery'
  | 'recovery-plan'
  | 'proof';
/** 'waiting': for somebody's answer. A step that is 'cancelled' in a job that goes on was left out. */
export type StepState = 'queued' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'cancelled';

export interface Choice {
  /** What an answer says: "done", "retry" … */
  readonly word: string;
  /** What comes of it. */
  readonly meaning: string;
}

/** What people are asked before a job goes on. */
export interface StepQuestion {
  readonly id: string;
  readonly text: string;
  readonly choices: readonly Choice[];
  readonly asked: number;
  /** Set when the step failed. */
  readonly failure?: Pick<HoldfastError, 'code' | 'thing' | 'why' | 'remedy'>;
}

export interface StepAnswer {
  readonly choice: string;
  readonly note: string;
  readonly by: string;
  readonly at: number;
}

export interface StepRecord {
  readonly name: string;
  readonly state: StepState;
  /** Milliseconds since 1970; 0 = not yet. */
  readonly started: number;
  readonly ended: number;
  readonly detail: string;
  readonly question?: StepQuestion;
  readonly answer?: StepAnswer;
}

/** A long operation, step by step. Its id begins with its age, so that lists show the newest first. */
export interface JobRecord {
  readonly kind: JobKind;
  readonly state: StepState;
  readonly machineId: string;
  readonly protectionId: string;
  /** Id of the process server that was asked for; empty = any. */
  readonly wantedServer: string;
  /** What was asked for beside the machine, by name; people see it. */
  readonly input?: Readonly<Record<string, string>>;
  /** Forward unless told. */
  readonly direction?: 'forward' | 'reverse';
  /** How often it was begun; absent: once. */
  readonly tries?: number;
  readonly startedBy: string;
  readonly created: number;
  readonly ended: number;
  readonly steps: readonly StepRecord[];
  /** Somebody wants it to end. */
  readonly cancelling: boolean;
  readonly problemCode: string;
  readonly problem: string;
}

export const jobs = plainKind<JobRecord>('job', 1);

/** Finds the jobs of a machine; its id is "MACHINE/JOB". */
export const jobsOf = plainKind<Record<never, never>>('job-of', 1);

/** The newest job of a machine; its id is the machine's. Of two that are started at one moment it lets one see the other. */
export const jobTurns = plainKind<{ readonly job: string }>('job-turn', 1);

/** The jobs that have not ended. */
export const openJobs = plainKind<Record<never, never>>('job-open', 1);

/** The jobs that have, by how; its id is "STATE/JOB". */
export const endedJobs = plainKind<Record<never, never>>('job-ended', 1);

const LATEST = 0xffff_ffff_ffff;

/** Ids of later jobs come first in order. */
export const newJobId = (now = Date.now()): string => (LATEST - now).toString(16).padStart(12, '0') + randomBytes(10).toString('hex');

/** The id before all those of jobs that began before `instant`; milliseconds since 1970. */
export const newestIdAt = (instant: number): string =>
  Math.max(0, LATEST - Math.min(instant, LATEST))
    .toString(16)
    .padStart(12, '0') + 'f'.repeat(20);

export const hasEnded = ({ state }: Pick<JobRecord, 'state'>): boolean =>
  state === 'succeeded' || state === 'failed' || state === 'cancelled';

/** What is known of a step under way and stored nowhere. */
export interface StepProgress {
  readonly detail: string;
  /** 0 to 1; below 0 when unknown. */
  readonly fraction: number;
}

/** Where a job stands: its first step that has neither succeeded nor was left out. -1 at its end. */
export const currentStep = ({ steps }: Pick<JobRecord, 'steps'>): number =>
  steps.findIndex(({ state }) => state !== 'succeeded' && state !== 'cancelled');

/** The question that a job waits with. */
export const questionOf = (job: JobRecord): StepQuestion | undefined => {
  const step = job.steps[currentStep(job)];
  return step?.state === 'waiting' && step.answer === undefined ? step.question : undefined;
};
