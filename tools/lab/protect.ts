import { setTimeout as sleep } from 'node:timers/promises';
import type { Agent } from './agent/agent.ts';
import type { RunContext } from './context.ts';
import { writtenBytes } from './host/disk-statistics.ts';
import { unlessAborted } from './interruption.ts';
import { formatSeconds } from './output/format.ts';
import { liveLine, progressBar } from './output/progress.ts';
import { createRandom } from './random.ts';

export interface ProtectOptions {
  readonly agent: Agent;
  /** Kernel names of the protected disks. */
  readonly disks: readonly string[];
  /** Seconds under protection, from the first point on. */
  readonly seconds: number;
  /** Rejects when something else this run needs has failed. */
  readonly failures: readonly Promise<never>[];
  /** Called every second. */
  sample(): void;
  /** Done at the end, while the agent still protects. */
  beforeStop?(): Promise<void>;
}

export interface Protection {
  /** Seconds, one sample each second from the first point on. */
  readonly rpo: readonly number[];
  readonly copiedBytes: number;
  readonly copySeconds: number;
}

const LOOK_EVERY_MS = 50;
const SAMPLE_EVERY_MS = 1000;
/** The kill comes at a random moment in this part of the time. */
const KILL_FROM = 0.35;
const KILL_TO = 0.65;

/** Seconds since the instant of the newest durable point. */
export const rpoOf = (agent: Agent): number | undefined => {
  const newest = agent.figures.points.at(-1);
  return newest === undefined ? undefined : Number(process.hrtime.bigint() - newest.instant) / 1e9;
};

/** What the steps of a protection need. */
export type AgentAtWork = Pick<ProtectOptions, 'agent' | 'failures'>;

/** Starts the agent and shows its first copy until the first point is durable. */
export const copyUntilFirstPoint = async (
  { screen, signal }: RunContext,
  { agent, failures }: AgentAtWork,
): Promise<Omit<Protection, 'rpo'>> => {
  const began = performance.now();
  const elapsed = (): number => (performance.now() - began) / 1000;
  const show = (): void => {
    const { copying } = agent.figures;
    if (copying !== undefined) screen.status('copy', progressBar('first copy', { ...copying, seconds: elapsed() }));
  };
  await unlessAborted(signal, agent.start(), agent.failure, ...failures);
  while (agent.figures.points.length === 0) {
    await unlessAborted(signal, sleep(LOOK_EVERY_MS), agent.failure, ...failures);
    show();
  }
  const { copying = { done: 0, total: 0 } } = agent.figures;
  screen.settle();
  return { copiedBytes: copying.total, copySeconds: elapsed() };
};

/** Has a point cut now and waits until one of this instant (CLOCK_MONOTONIC, nanoseconds) or later is durable; its id. */
export const pointAfter = async ({ signal }: RunContext, { agent, failures }: AgentAtWork, instant: bigint): Promise<string> => {
  agent.pointNow();
  for (;;) {
    const point = agent.figures.points.find((one) => one.instant >= instant);
    if (point !== undefined) return point.id;
    await unlessAborted(signal, sleep(LOOK_EVERY_MS), agent.failure, ...failures);
  }
};

/** SIGKILL to the agent, and a new one in its place. */
export const killAndRestart = async ({ screen, signal }: RunContext, { agent, failures }: AgentAtWork): Promise<void> => {
  const before = agent.figures.resyncs.length;
  await agent.kill();
  const killed = performance.now();
  await unlessAborted(signal, agent.start(), agent.failure, ...failures);
  const seconds = formatSeconds((performance.now() - killed) / 1000);
  const lost = agent.figures.resyncs.slice(before);
  screen.line(
    lost.length === 0
      ? `SIGKILL to the agent: a new one went on where it was after ${seconds}, without resynchronization`
      : `SIGKILL to the agent: a new one had to start anew after ${seconds}: ${lost.join('; ')}`,
  );
};

/** Lets the agent protect the machine: the first copy, then points for the given time, with a SIGKILL in the middle; then it is stopped. */
export const protect = async (context: RunContext, options: ProtectOptions): Promise<Protection> => {
  const { screen, signal, options: settings } = context;
  const { agent, seconds, failures, disks } = options;
  const copy = await copyUntilFirstPoint(context, options);
  screen.line(
    `first copy and first point after ${formatSeconds(copy.copySeconds)}; a point every ${formatSeconds(settings.pointEvery)} from now on`,
  );

  const rpo: number[] = [];
  const end = performance.now() + seconds * 1000;
  const writtenNow = (): number => disks.reduce((sum, name) => sum + writtenBytes(name), 0);
  let written = writtenNow();
  const timer = setInterval(() => {
    agent.sample();
    options.sample();
    const before = written;
    written = writtenNow();
    const rpoSeconds = rpoOf(agent);
    if (rpoSeconds !== undefined) rpo.push(rpoSeconds);
    const { sent, changed, points } = agent.figures;
    screen.status(
      'live',
      liveLine({
        secondsLeft: (end - performance.now()) / 1000,
        rpoSeconds,
        churn: written - before,
        sent,
        changed,
        points: points.length,
      }),
    );
  }, SAMPLE_EVERY_MS);
  try {
    const killAfter = seconds * (KILL_FROM + (KILL_TO - KILL_FROM) * createRandom(settings.seed)());
    await unlessAborted(signal, sleep(killAfter * 1000), agent.failure, ...failures);
    await killAndRestart(context, options);
    await unlessAborted(signal, sleep(Math.max(0, end - performance.now())), agent.failure, ...failures);
  } finally {
    clearInterval(timer);
    screen.settle();
  }
  await options.beforeStop?.();
  await unlessAborted(signal, agent.stop(), ...failures);
  return { rpo, ...copy };
};
