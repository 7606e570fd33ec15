import type { RecoveryPoint } from './history.ts';

/** One point out of every `every` milliseconds is kept until it is `until` milliseconds old; `every` 0 keeps all. */
export interface RetentionRule {
  readonly every: number;
  readonly until: number;
}

export interface RetentionPolicy {
  /** Finest first. What is older than the last one says goes. */
  readonly rules: readonly RetentionRule[];
  /** Never fewer than these newest points; 3 unless told. */
  readonly atLeast?: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Everything of the last two hours, then a point an hour, then a point a day. Others are said as grids, see retention-text.ts. */
export const RETENTION_PRESETS = {
  '24h': {
    rules: [
      { every: 0, until: 2 * HOUR },
      { every: HOUR, until: 24 * HOUR },
    ],
  },
  '72h': {
    rules: [
      { every: 0, until: 2 * HOUR },
      { every: HOUR, until: 72 * HOUR },
    ],
  },
  '15d': {
    rules: [
      { every: 0, until: 2 * HOUR },
      { every: HOUR, until: 72 * HOUR },
      { every: DAY, until: 15 * DAY },
    ],
  },
  '90d': {
    rules: [
      { every: 0, until: 2 * HOUR },
      { every: HOUR, until: 72 * HOUR },
      { every: DAY, until: 90 * DAY },
    ],
  },
} as const satisfies Record<string, RetentionPolicy>;

/**
 * Time between two points counts up to this much: while a machine is away nothing grows old, and a clock that jumps takes no history with it. Enough for the
 * distances that thinning itself leaves.
 */
const longestPause = (rules: readonly RetentionRule[]): number => Math.max(6 * HOUR, ...rules.map(({ every }) => 2 * every));

export interface DatedPoint extends Pick<RecoveryPoint, 'id' | 'time' | 'point'> {
  /** When it was in the vault at the latest, in milliseconds since some instant, by the clock of the store; of a later point not less. */
  readonly came: number;
}

/**
 * The ids of the points (oldest first) that a policy keeps. Ages are counted back from the newest point, by the times of the points and by how long they are in the
 * vault, whichever is less: whoever names wrong times makes nothing old. Never from the clock of whoever asks: without new points nothing is thinned. Of the points of
 * one replication group, and of those of the machine alone, each on its own. Of the points of one hour, say, that came together, the newest is kept, so that thinning
 * again changes nothing.
 */
export const keptPoints = (points: readonly DatedPoint[], { rules, atLeast = 3 }: RetentionPolicy): Set<string> => {
  const ages = agesOf(points, longestPause(rules));
  const kept = new Set(points.slice(-atLeast).map(({ id }) => id));
  const good = points.filter(({ point }) => point.unreadableBytes === 0n);
  for (const { id } of good.slice(-atLeast)) kept.add(id);
  /** By place, when the newest point that stands for it came. */
  const taken = new Map<string, number>();
  for (let i = points.length - 1; i >= 0; i -= 1) {
    const { id, time, point, came } = points[i]!;
    const rule = rules.find(({ until }) => ages[i]! <= until);
    if (rule === undefined) continue;
    if (rule.every === 0) kept.add(id);
    // A point kept by a finer rule stands for its hour, or its day, too.
    for (const { every } of rules) {
      if (every === 0) continue;
      const place = `${Buffer.from(point.groupId).toString('hex')} ${every} ${Math.floor(time / every)}`;
      const by = taken.get(place);
      // What came much later and says to be of this hour stands for nothing that was there.
      if (by !== undefined && by - came <= TOGETHER * every) continue;
      if (every === rule.every) kept.add(id);
      taken.set(place, came);
    }
  }
  return kept;
};

/** Points of one place that came so many times its length apart at most came together: what is told of their coming is late by a turn of a keeper. */
const TOGETHER = 2;

/** How old each point is, as of the newest one. */
const agesOf = (points: readonly DatedPoint[], longest: number): number[] => {
  const ages: number[] = [];
  const newest = points.at(-1);
  let age = 0;
  for (let i = points.length - 1; i >= 0; i -= 1) {
    const pause = i === points.length - 1 ? 0 : points[i + 1]!.time - points[i]!.time;
    age += Math.min(Math.max(pause, 0), longest);
    ages[i] = Math.min(age, newest!.came - points[i]!.came);
  }
  return ages;
};
