import { setTimeout as sleep } from 'node:timers/promises';
import type { ProgramProcess } from '../site/program-process.ts';
import type { RunContext } from './context.ts';
import { writtenBytes } from './host/disk-statistics.ts';
import { unlessAborted } from './interruption.ts';
import type { LabMachine } from './machine.ts';
import { formatSeconds } from './output/format.ts';
import { liveLine, progressBar } from './output/progress.ts';
import { createRandom } from './random.ts';

export interface ProtectOptions {
  readonly machine: LabMachine;
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
/** Each kill comes at a random moment in this part of the time. */
const KILL_FROM = 0.35;
const KILL_TO = 0.65;

/** Seconds since the instant of the newest durable point. */
export const rpoOf = ({ figures }: LabMachine): number | undefined => {
  const newest = figures.points.at(-1);
  return newest === undefined ? undefined : (Date.now() - newest) / 1000;
};

/** What the steps of a protection need. */
export type MachineAtWork = Pick<ProtectOptions, 'machine' | 'failures'>;

const orFailure = <T>({ signal }: RunContext, { machine, failures }: MachineAtWork, work: Promise<T>): Promise<T> =>
  unlessAborted(signal, work, ...machine.failures, ...failures);

/** Has the machine protected and shows its first copy until the first point is durable. */
export const copyUntilFirstPoint = async (context: RunContext, atWork: MachineAtWork): Promise<Omit<Protection, 'rpo'>> => {
  const { screen } = context;
  const { machine } = atWork;
  const began = performance.now();
  const elapsed = (): number => (performance.now() - began) / 1000;
  const show = (): void => {
    const { copying } = machine.figures;
    if (copying !== undefined) screen.status('copy', progressBar('first copy', { ...copying, seconds: elapsed() }));
  };
  await orFailure(context, atWork, machine.protect());
  while (machine.figures.points.length === 0) {
    await orFailure(context, atWork, sleep(LOOK_EVERY_MS));
    show();
  }
  const { copying = { done: 0, total: 0 } } = machine.figures;
  screen.settle();
  return { copiedBytes: copying.total, copySeconds: elapsed() };
};

/** Waits until a point of an instant after this one (milliseconds since 1970) is durable; the instant of that point. */
export const pointAfter = async (context: RunContext, atWork: MachineAtWork, after: number): Promise<number> => {
  for (;;) {
    const point = atWork.machine.figures.points.find((one) => one > after);
    if (point !== undefined) return point;
    await orFailure(context, atWork, sleep(LOOK_EVERY_MS));
  }
};

/** Programs that are killed in the middle. */
export type Victim = 'agent' | 'processServer';
export const VICTIMS: readonly Victim[] = ['agent', 'processServer'];
const VICTIM_WORDS: Readonly<Record<Victim, string>> = { agent: 'the agent', processServer: 'the process server' };

/** SIGKILL to a program, and a new one in its place. */
export const killAndRestart = async (context: RunContext, atWork: MachineAtWork, victim: Victim): Promise<void> => {
  const program: ProgramProcess = atWork.machine.installation[victim];
  await program.kill();
  const killed = performance.now();
  await orFailure(context, atWork, program.start());
  context.screen.line(
    `SIGKILL to ${VICTIM_WORDS[victim]}: a new one does its work after ${formatSeconds((performance.now() - killed) / 1000)}`,
  );
};

/** Lets the agent protect the machine: the first copy, then points for the given time, with a SIGKILL for each victim in the middle. */
export const protect = async (context: RunContext, options: ProtectOptions): Promise<Protection> => {
  const { screen, options: settings } = context;
  const { machine, seconds, disks } = options;
  const copy = await copyUntilFirstPoint(context, options);
  screen.line(
    `first copy and first point after ${formatSeconds(copy.copySeconds)}; a point every ${formatSeconds(settings.pointEvery)} from now on`,
  );

  const rpo: number[] = [];
  const end = performance.now() + seconds * 1000;
  const writtenNow = (): number => disks.reduce((sum, name) => sum + writtenBytes(name), 0);
  let written = writtenNow();
  const timer = setInterval(() => {
    machine.sample();
    options.sample();
    const before = written;
    written = writtenNow();
    const rpoSeconds = rpoOf(machine);
    if (rpoSeconds !== undefined) rpo.push(rpoSeconds);
    const { sent, changed, points } = machine.figures;
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
  const random = createRandom(settings.seed);
  const killInTheMiddle = async (victim: Victim): Promise<void> => {
    const killAfter = seconds * (KILL_FROM + (KILL_TO - KILL_FROM) * random());
    await orFailure(context, options, sleep(killAfter * 1000));
    await killAndRestart(context, options, victim);
  };
  try {
    await Promise.all(VICTIMS.map(killInTheMiddle));
    await orFailure(context, options, sleep(Math.max(0, end - performance.now())));
  } finally {
    clearInterval(timer);
    screen.settle();
  }
  await options.beforeStop?.();
  await orFailure(context, options, machine.stop());
  return { rpo, ...copy };
};
