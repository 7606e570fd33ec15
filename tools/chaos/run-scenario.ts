import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createRandom } from '../lab/random.ts';
import type { Scenario, World } from './scenario.ts';
import { createSchedule, createTour, deriveSeed, type ScheduledEvent } from './schedule.ts';
import { addVerdict, complaintsOf, EMPTY_TALLY, type Tally } from './tally.ts';

/** When a run is over: after the first verification past a time, after exactly so many events (a replay), or whichever comes first. */
export interface RunLength {
  readonly minutes?: number | undefined;
  readonly events?: number | undefined;
}

const ENDLESS = Number.POSITIVE_INFINITY;

const isOver = ({ minutes = ENDLESS, events = ENDLESS }: RunLength, { index, kind }: ScheduledEvent, seconds: number): boolean =>
  index >= events || (kind === 'verify' && seconds >= minutes * 60);

export interface RunOptions {
  readonly seed: number;
  /** Undefined with `each`: until all have been seen. */
  readonly length: RunLength | undefined;
  /** Every kind of fault once, instead of what the seed draws. */
  readonly each?: boolean | undefined;
  /** With `each`: no other kinds than these. */
  readonly only?: readonly string[] | undefined;
  readonly print: (line: string) => void;
  /** Ends the run after the event under way. */
  readonly stop: AbortSignal;
  /** Where the logs of all programs are to be put at the end. */
  readonly logs?: string | undefined;
  /** How long one event may take before it counts as hung. */
  readonly eventLimitMs: number;
}

/** The work's own end, or an error when it has none in time. */
const within = async <T>(limitMs: number, work: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`did not end within ${limitMs / 1000} s`)), limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
};

/** Lets one event happen to the world; what goes wrong is in the tally. */
const happen = async (world: World, event: ScheduledEvent, tally: Tally, limitMs: number): Promise<Tally> => {
  const random = createRandom(event.seed);
  try {
    if (event.kind === 'verify') return addVerdict(tally, await within(limitMs, world.verify(random)));
    const actions = event.kind === 'fault' ? world.faults : world.steps;
    await within(limitMs, actions[event.name]!.run(random));
    return event.kind === 'fault' ? { ...tally, faults: tally.faults + 1 } : tally;
  } catch (reason) {
    const why = reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
    return { ...tally, broken: [...tally.broken, `#${event.index} ${event.kind} ${event.name}: ${why}`] };
  }
};

/** Runs one scenario on the schedule that `seed` names, until its length is reached or something is wrong; then removes its world. */
export const runScenario = async (scenario: Scenario, options: RunOptions): Promise<Tally> => {
  const { seed, length, print, stop, eventLimitMs, logs, each = false, only } = options;
  const directory = await mkdtemp(path.join(tmpdir(), `holdfast-chaos-${scenario.name}-`));
  try {
    const random = createRandom(deriveSeed(seed, 'setup'));
    const world = await scenario.setup({ directory, random, logs, note: (line) => print(`  ${line}`) });
    let tally = EMPTY_TALLY;
    try {
      const start = performance.now();
      for (const event of each ? createTour(seed, world, only) : createSchedule(seed, world)) {
        const before = performance.now();
        tally = await happen(world, event, tally, eventLimitMs);
        const now = performance.now();
        print(`#${event.index} ${event.kind} ${event.name} (${((now - before) / 1000).toFixed(1)} s)`);
        if (complaintsOf(tally).length > 0) {
          print(
            `again: npm run chaos -- --scenario ${scenario.name}${each ? ' --each' : ''}${(only ?? []).map((name) => ` --fault '${name}'`).join('')} --seed ${seed} --events ${event.index}`,
          );
          break;
        }
        if (stop.aborted) break;
        if (length !== undefined && isOver(length, event, (now - start) / 1000)) break;
      }
    } finally {
      await within(eventLimitMs, world.dispose());
    }
    return tally;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};
