import { type MachineHistory, openView } from '@holdfast/vault';
import { lostOf, resyncsOf } from '../../lab/outcome.ts';
import type { Source } from './sources.ts';

export interface MachineVerdict {
  readonly judged: number;
  readonly wrong: readonly string[];
  readonly lost: readonly string[];
  /** Why disks were resynchronized, since the verdict before. */
  readonly resyncs: readonly string[];
}

/** Holds what the vault says of a machine against everything that was ever promised of it. */
export interface MachineJudge {
  /** Somebody was told that the point of this instant (milliseconds since 1970) is durable. */
  promised(time: number): void;
  /** `patient`: compare points too, also where that takes long. */
  judge(history: MachineHistory, seed: number, patient: boolean): Promise<MachineVerdict>;
}

const NOTHING = { judged: 0, wrong: [] as readonly string[] };

export const createMachineJudge = (name: string, diskIds: readonly string[], source: Pick<Source, 'isQuick' | 'judge'>): MachineJudge => {
  const promises = new Set<number>();
  const seen = new Set<string>();
  const judgedPoints = new Set<string>();
  let resyncsSeen = 0;
  return {
    promised: (time) => void promises.add(time),
    async judge(history, seed, patient) {
      const lost = history.damage.map((damage) => `${name}: the log ends early: ${JSON.stringify(damage)}`);
      const there = new Set(history.points.map((point) => point.id));
      for (const one of seen) if (!there.has(one)) lost.push(`${name}: point ${one} was there and is gone`);
      // What was promised after the vault was read it cannot tell of.
      const readable = [...promises].filter((time) => time <= (history.points.at(-1)?.time ?? 0));
      for (const time of lostOf({ points: readable }, history)) lost.push(`${name}: the point of ${new Date(time).toISOString()}`);
      const fresh = history.points.filter((point) => !judgedPoints.has(point.id));
      const missing = fresh.filter(({ disks }) => diskIds.some((disk) => !disks.includes(disk)));
      const whole = fresh.filter((point) => !missing.includes(point));
      const points = whole.map((point) => ({ point, open: (disk: number) => openView(history, point.id, diskIds[disk]!) }));
      const { judged, wrong } = patient || source.isQuick ? await source.judge(points, seed) : NOTHING;
      if (judged > 0) for (const { point } of points) judgedPoints.add(point.id);
      for (const point of history.points) seen.add(point.id);
      const resyncs = resyncsOf(history).slice(resyncsSeen);
      resyncsSeen += resyncs.length;
      return {
        judged,
        wrong: [...wrong.map((line) => `${name}: ${line}`), ...missing.map(({ id: point }) => `${name}: point ${point} lacks a disk`)],
        lost,
        resyncs: resyncs.map((line) => `${name}: ${line}`),
      };
    },
  };
};
