import { randomBytes } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { Direction, type Job, JobSchema, JobState } from '@holdfast/protocol';
import { plainKind } from '../records/kind.ts';

export type JobKind = 'protect' | 'unprotect' | 'point' | 'move';
export type StepState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

export interface StepRecord {
  readonly name: string;
  readonly state: StepState;
  /** Milliseconds since 1970; 0 = not yet. */
  readonly started: number;
  readonly ended: number;
  readonly detail: string;
}

/** A long operation, step by step. Its id begins with its age, so that lists show the newest first. */
export interface JobRecord {
  readonly kind: JobKind;
  readonly state: StepState;
  readonly machineId: string;
  readonly protectionId: string;
  /** Id of the process server that was asked for; empty = any. */
  readonly wantedServer: string;
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

const LATEST = 0xffff_ffff_ffff;

/** Ids of later jobs come first in order. */
export const newJobId = (now = Date.now()): string => (LATEST - now).toString(16).padStart(12, '0') + randomBytes(10).toString('hex');

export const hasEnded = ({ state }: Pick<JobRecord, 'state'>): boolean =>
  state === 'succeeded' || state === 'failed' || state === 'cancelled';

const STATES: Readonly<Record<StepState, JobState>> = {
  queued: JobState.QUEUED,
  running: JobState.RUNNING,
  succeeded: JobState.SUCCEEDED,
  failed: JobState.FAILED,
  cancelled: JobState.CANCELLED,
};

/** What is known of a step under way and stored nowhere. */
export interface StepProgress {
  readonly detail: string;
  /** 0 to 1; below 0 when unknown. */
  readonly fraction: number;
}

/** A job as people see it. */
export const jobMessage = (id: string, version: number, job: JobRecord, now?: StepProgress): Job =>
  create(JobSchema, {
    id,
    version: BigInt(version),
    kind: job.kind,
    state: STATES[job.state],
    direction: Direction.FORWARD,
    machineId: job.machineId,
    startedBy: job.startedBy,
    createdUnixMillis: BigInt(job.created),
    endedUnixMillis: BigInt(job.ended),
    progress: job.state === 'succeeded' ? 1 : (now?.fraction ?? -1),
    problemCode: job.problemCode,
    problem: job.problem,
    steps: job.steps.map(({ name, state, started, ended, detail }) => ({
      name,
      state: STATES[state],
      startedUnixMillis: BigInt(started),
      endedUnixMillis: BigInt(ended),
      detail: state === 'running' && now !== undefined ? now.detail : detail,
    })),
  });
