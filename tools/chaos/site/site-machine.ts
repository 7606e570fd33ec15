import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type MachineHistory, openView } from '@holdfast/vault';
import { until } from '../../lab/host/until.ts';
import { readMachine } from '../../lab/installation/read-figures.ts';
import { lostOf, resyncsOf } from '../../lab/outcome.ts';
import type { Person } from '../../site/cli-process.ts';
import { type Member, VAULT } from './programs.ts';
import type { Source } from './sources.ts';

/** A protected machine of the installation, with everything that was ever promised of it. */
export interface SiteMachine {
  readonly name: string;
  readonly member: Member;
  readonly source: Source;
  /** Instant of the newest point its agent calls durable, milliseconds since 1970; undefined where it does not answer. */
  newestPoint(): Promise<number | undefined>;
  /** What the vault says now, against what was promised and what the disks held. `patient`: compare points too, also where that takes long. */
  judge(history: MachineHistory, seed: number, patient: boolean): Promise<MachineVerdict>;
  stopWatching(): Promise<void>;
}

export interface MachineVerdict {
  readonly judged: number;
  readonly wrong: readonly string[];
  readonly lost: readonly string[];
  /** Why disks were resynchronized, since the verdict before. */
  readonly resyncs: readonly string[];
}

const NOTHING = { judged: 0, wrong: [] as readonly string[] };
const LOOK_EVERY_MS = 200;
const LONGEST_ANSWER_MS = 1000;
const PATIENCE_SECONDS = 120;
const NEWEST = /^holdfast_agent_newest_point_seconds (\S+)$/m;

const readNewest = async (metrics: URL): Promise<number | undefined> => {
  try {
    const page = await (await fetch(metrics, { signal: AbortSignal.timeout(LONGEST_ANSWER_MS) })).text();
    const seconds = Number(NEWEST.exec(page)?.[1] ?? 0);
    return seconds > 0 ? Math.round(seconds * 1000) : undefined;
  } catch {
    return undefined;
  }
};

/** Starts the agent, has the machine protected and waits for its first point. */
export const protectMachine = async (person: Person, name: string, member: Member, source: Source): Promise<SiteMachine> => {
  const { id, program, metrics } = member;
  const { signal } = new AbortController();
  await program.start();
  let diskIds: string[] = [];
  const hasAllDisks = async (): Promise<boolean> => {
    const shown = (await readMachine(person, id, signal)).disks;
    diskIds = source.disks.flatMap((disk) => shown.filter((one) => one.name === path.basename(disk)).map((one) => one.id));
    return diskIds.length === source.disks.length;
  };
  await until(`the agent of ${name} tells of its disks`, hasAllDisks, { seconds: PATIENCE_SECONDS, everyMilliseconds: 100 });
  await person.json(['protect', id, '--vault', VAULT]);

  const promised = new Set<number>();
  const seen = new Set<string>();
  const judgedPoints = new Set<string>();
  let resyncsSeen = 0;
  const newestPoint = (): Promise<number | undefined> => readNewest(metrics);
  const watching = new AbortController();
  const watched = (async () => {
    while (!watching.signal.aborted) {
      const newest = await newestPoint();
      if (newest !== undefined) promised.add(newest);
      await sleep(LOOK_EVERY_MS);
    }
  })();
  await until(`the first point of ${name}`, () => promised.size > 0, { seconds: PATIENCE_SECONDS, everyMilliseconds: 100 });

  return {
    name,
    member,
    source,
    newestPoint,
    async judge(history, seed, patient) {
      const lost = history.damage.map((damage) => `${name}: the log ends early: ${JSON.stringify(damage)}`);
      const there = new Set(history.points.map((point) => point.id));
      for (const one of seen) if (!there.has(one)) lost.push(`${name}: point ${one} was there and is gone`);
      // What was promised after the vault was read it cannot tell of.
      const readable = [...promised].filter((time) => time <= (history.points.at(-1)?.time ?? 0));
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
    async stopWatching() {
      watching.abort();
      await watched;
    },
  };
};
