import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentCounters, MachineShown } from './read-figures.ts';

/** What is known of the machine from outside, over all lives of its agent. */
export interface MachineFigures {
  /** Bytes of the disks, and bytes sent, after the first point. */
  readonly changed: number;
  readonly sent: number;
  /** Instants of points that were told to be durable, milliseconds since 1970, ascending. */
  readonly points: readonly number[];
  /** Cuts that did not converge and were no points. */
  readonly skipped: number;
  /** The first copy, in bytes; undefined until it began. */
  readonly copying: { readonly done: number; readonly total: number } | undefined;
}

export interface MachineWatch {
  readonly figures: MachineFigures;
  /** Rejects when the installation has not answered for long; never resolves. */
  readonly failure: Promise<never>;
  stop(): Promise<void>;
}

export interface MachineWatchOptions {
  look(): Promise<MachineShown>;
  /** Undefined while there is no agent. */
  count(): Promise<AgentCounters | undefined>;
  /** Aborted when nobody wants to know any more. */
  readonly signal?: AbortSignal;
  readonly everyMs?: number;
  readonly patienceMs?: number;
}

const NOTHING: AgentCounters = { changedBytes: 0, sentBytes: 0, conflicts: 0 };
const NAMES = ['changedBytes', 'sentBytes', 'conflicts'] as const;

const combine = (a: AgentCounters, b: AgentCounters, how: (x: number, y: number) => number): AgentCounters =>
  Object.fromEntries(NAMES.map((name) => [name, how(a[name], b[name])])) as unknown as AgentCounters;

/** Adds up counters that begin at 0 again whenever the agent does. What an agent did after it was last asked is not known. */
export const createTotals = (): { add(now: AgentCounters): void; readonly total: AgentCounters } => {
  let earlier = NOTHING;
  let last = NOTHING;
  return {
    add: (now) => {
      if (NAMES.some((name) => now[name] < last[name])) earlier = combine(earlier, last, (a, b) => a + b);
      last = now;
    },
    get total() {
      return combine(earlier, last, (a, b) => a + b);
    },
  };
};

/** Looks at the machine again and again. */
export const watchMachine = ({ look, count, signal, everyMs = 500, patienceMs = 60_000 }: MachineWatchOptions): MachineWatch => {
  const asked = new AbortController();
  const stopping = signal === undefined ? asked.signal : AbortSignal.any([asked.signal, signal]);
  const points: number[] = [];
  const totals = createTotals();
  /** When the first point was there. */
  let base: AgentCounters | undefined;
  let copying: MachineFigures['copying'];

  const lookOnce = async (): Promise<void> => {
    const counters = await count();
    if (counters !== undefined) totals.add(counters);
    const { newestPoint, state, disks } = await look();
    if (newestPoint !== undefined && newestPoint > (points.at(-1) ?? 0)) points.push(newestPoint);
    if (points.length > 0) base ??= totals.total;
    else if (state !== 'unprotected')
      copying = {
        done: disks.reduce((sum, disk) => sum + disk.copied, 0),
        total: disks.reduce((sum, disk) => sum + disk.size, 0),
      };
  };

  const run = async (): Promise<void> => {
    let lastAnswer = performance.now();
    while (!stopping.aborted) {
      try {
        await lookOnce();
        lastAnswer = performance.now();
      } catch (reason) {
        if (!stopping.aborted && performance.now() - lastAnswer > patienceMs) throw reason;
      }
      await sleep(everyMs, undefined, { signal: stopping }).catch(() => undefined);
    }
  };
  const running = run();
  const failure = running.then(() => new Promise<never>(() => undefined));
  failure.catch(() => undefined);
  return {
    get figures() {
      const { changedBytes, sentBytes, conflicts } = combine(totals.total, base ?? totals.total, (now, then) => now - then);
      return { changed: changedBytes, sent: sentBytes, points, skipped: conflicts, copying };
    },
    failure,
    stop: async () => {
      asked.abort();
      await running.catch(() => undefined);
    },
  };
};
