import { HoldfastError } from '@holdfast/errors';
import { type Child, startChild } from '../host/child.ts';
import { cpuSecondsOf } from '../host/processes.ts';
import type { WorkloadMessage, WorkloadOrder, WorkloadSettings } from './messages.ts';

/** The workload's process, as the supervisor holds it. */
export interface Workload {
  readonly counts: { readonly commits: number; readonly stamps: number; readonly churn: number };
  readonly cpuSeconds: number;
  /** Finishes the steps under way; resolves when it is gone. */
  stop(): Promise<void>;
  sample(): void;
  /** Rejects when the process ends unasked; never resolves. */
  readonly failure: Promise<never>;
}

export interface WorkloadOptions {
  readonly settings: WorkloadSettings;
  onStart(pid: number): void;
}

const SCRIPT = new URL('./main.ts', import.meta.url);

/** Starts the workload; resolves when it is at work on all disks. */
export const startWorkload = async ({ settings, onStart }: WorkloadOptions): Promise<Workload> => {
  let counts = { commits: 0, stamps: 0, churn: 0 };
  let cpuSeconds = 0;
  let stopping = false;
  let failedWith = '';
  let isReady: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    isReady = resolve;
  });
  const child: Child<WorkloadOrder> = startChild<WorkloadMessage, WorkloadOrder>({
    script: SCRIPT,
    settings,
    onStart,
    onMessage: (message) => {
      if (message.type === 'ready') isReady();
      else if (message.type === 'counts') counts = { commits: message.commits, stamps: message.stamps, churn: message.churn };
      else failedWith = message.message;
    },
  });
  const failure = child.ended.then(({ status, signal, words }): never => {
    if (stopping && status === 0) return new Promise<never>(() => undefined) as never;
    throw new HoldfastError('IO_FAILED', {
      thing: 'the workload',
      why: `it ended with ${signal ?? `status ${status}`}: ${failedWith || words || 'it said nothing'}`,
      remedy: 'look at its words; report them if they tell you nothing',
    });
  });
  failure.catch(() => undefined);
  await Promise.race([ready, failure]);
  return {
    get counts() {
      return counts;
    },
    get cpuSeconds() {
      return cpuSeconds;
    },
    stop: async () => {
      stopping = true;
      child.tell({ type: 'stop' });
      await Promise.race([child.ended, failure]);
    },
    sample: () => {
      cpuSeconds = cpuSecondsOf(child.pid) ?? cpuSeconds;
    },
    failure,
  };
};
