import { GenerationReason } from '@holdfast/protocol';
import {
  type MachineHistory,
  type PointChange,
  pointChanges,
  pointDisks,
  type RecoveryPoint,
  type UnusualWriting,
  unusualWriting,
} from '@holdfast/vault';
import type { Part } from '../output/answer.ts';
import { formatBytes, formatSeconds, formatTime } from '../output/format.ts';
import { pointKindWord } from '../site/point-kind.ts';

/** A disk whose history did not go on unbroken between the point before and this one. */
export interface GenerationBreak {
  readonly disk: string;
  readonly reason: string;
  readonly detail: string;
}

export interface PointDescription {
  readonly id: string;
  /** UTC, by the source's clock. */
  readonly time: string;
  readonly ageSeconds: number;
  readonly kind: string;
  readonly disks: readonly { readonly id: string; readonly name: string; readonly size: number }[];
  /** What was written since the point before, in bytes: data, what now reads as zeroes, and the data that compression makes no smaller (absent where unknown). */
  readonly changed: { readonly data: number; readonly zero: number; readonly incompressible?: number; readonly atLeast: boolean };
  /** True while the machine wrote as it never did before. */
  readonly unusual: boolean;
  readonly generationBreaks: readonly GenerationBreak[];
}

const REASONS: Readonly<Record<GenerationReason, string>> = {
  [GenerationReason.UNSPECIFIED]: 'unknown',
  [GenerationReason.FIRST_COPY]: 'first copy',
  [GenerationReason.RESYNCHRONIZATION]: 'resynchronization',
  [GenerationReason.FAILOVER]: 'failover',
  [GenerationReason.FAILBACK]: 'failback',
};

/** The newest `limit` points of a machine, newest first. */
export const describePoints = (history: MachineHistory, now: number, limit: number): PointDescription[] => {
  const { points } = history;
  const changes = pointChanges(history);
  const writings = unusualWriting(changes);
  const described: PointDescription[] = [];
  for (let at = points.length - 1; at >= 0 && described.length < limit; at -= 1)
    described.push({ ...describePoint(history, points[at]!, points[at - 1], now), ...describeChange(changes, at, writings) });
  return described;
};

const describeChange = (
  changes: readonly PointChange[],
  at: number,
  writings: readonly UnusualWriting[],
): Pick<PointDescription, 'changed' | 'unusual'> => {
  const { dataBytes, zeroBytes, incompressibleBytes, isWhole } = changes[at]!;
  return {
    changed: {
      data: dataBytes,
      zero: zeroBytes,
      ...(incompressibleBytes !== undefined && { incompressible: incompressibleBytes }),
      atLeast: !isWhole,
    },
    unusual: writings.some(({ first, last }) => changes.indexOf(first) <= at && at <= changes.indexOf(last)),
  };
};

const describePoint = (
  history: MachineHistory,
  point: RecoveryPoint,
  before: RecoveryPoint | undefined,
  now: number,
): Omit<PointDescription, 'changed' | 'unusual'> => {
  const disks = pointDisks(history, point);
  const earlier = new Map((before === undefined ? [] : pointDisks(history, before)).map(({ id, generationId }) => [id, generationId]));
  const broken = disks.filter(({ id, generationId }) => before !== undefined && earlier.get(id) !== generationId);
  return {
    id: point.id,
    time: formatTime(point.time),
    ageSeconds: Math.round((now - point.time) / 1000),
    kind: pointKindWord(point.point.kind),
    disks: disks.map(({ id, name, size }) => ({ id, name, size })),
    generationBreaks: broken.map(({ name, generationId }) => {
      const generation = history.generations.get(generationId)?.generation;
      return { disk: name, reason: (generation && REASONS[generation.reason]) ?? 'unknown', detail: generation?.detail ?? '' };
    }),
  };
};

/** The points as a table. */
export const pointsTable = (points: readonly PointDescription[]): Part => ({
  columns: [
    { heading: 'POINT' },
    { heading: 'TIME' },
    { heading: 'AGE', right: true },
    { heading: 'KIND' },
    { heading: 'CHANGED', right: true, optional: true },
    { heading: 'DISKS', shrink: true },
    { heading: 'BREAK', shrink: true },
    ...(points.some(({ unusual }) => unusual) ? [{ heading: 'NOTE' }] : []),
  ],
  rows: points.map(({ id, time, ageSeconds, kind, changed, disks, generationBreaks, unusual }) => [
    shortestUnique(id, points),
    time,
    ageSeconds < 0 ? 'future' : formatSeconds(ageSeconds),
    kind,
    `${changed.atLeast ? '≥ ' : ''}${formatBytes(changed.data)}`,
    disks.map(({ name, size }) => `${name.slice(0, 12)} ${formatBytes(size)}`).join(', '),
    generationBreaks.map(({ disk, reason }) => `${disk.slice(0, 12)}: ${reason}`).join(', '),
    ...(points.some((one) => one.unusual) ? [unusual ? { text: 'unusual writing', tone: 'warning' as const } : ''] : []),
  ]),
});

const SHORT_ID = 12;

/** Enough of the id to name the point by; all of it in the unlikely case that another begins alike. */
const shortestUnique = (id: string, points: readonly PointDescription[]): string => {
  const short = id.slice(0, SHORT_ID);
  return points.some((other) => other.id !== id && other.id.startsWith(short)) ? id : short;
};
