import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../lab/host/until.ts';
import { readMachine } from '../../lab/installation/read-figures.ts';
import type { Person } from '../../site/cli-process.ts';
import { createMachineJudge, type MachineJudge } from './machine-judge.ts';
import type { Opened } from './opened.ts';
import { patience } from './patience.ts';
import { type AgentMember, VAULT } from './programs.ts';
import type { Source } from './sources.ts';

/** A protected machine of the installation, with everything that was ever promised of it. */
export interface SiteMachine {
  readonly name: string;
  readonly member: AgentMember;
  readonly source: Source;
  /** Instant of the newest point its agent calls durable, milliseconds since 1970; undefined where it does not answer. */
  newestPoint(): Promise<number | undefined>;
  readonly judge: MachineJudge['judge'];
}

const LOOK_EVERY_MS = 200;
const LONGEST_ANSWER_MS = 1000;
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

/** Starts the agent, has the machine protected and waits for its first point. It is watched until `opened` is closed. */
export const protectMachine = async (
  person: Person,
  name: string,
  member: AgentMember,
  source: Source,
  opened: Opened,
): Promise<SiteMachine> => {
  const { id, program, metrics } = member;
  const { signal } = new AbortController();
  await program.start();
  let diskIds: string[] = [];
  const hasAllDisks = async (): Promise<boolean> => {
    const shown = (await readMachine(person, id, signal)).disks;
    diskIds = source.disks.flatMap((disk) => shown.filter((one) => one.name === path.basename(disk)).map((one) => one.id));
    return diskIds.length === source.disks.length;
  };
  await until(`the agent of ${name} tells of its disks`, hasAllDisks, { seconds: patience(), everyMilliseconds: 100 });
  await person.json(['protect', id, '--vault', VAULT]);

  const judge = createMachineJudge(name, diskIds, source);
  let hasPoint = false;
  const newestPoint = (): Promise<number | undefined> => readNewest(metrics);
  const watching = new AbortController();
  const watched = (async () => {
    while (!watching.signal.aborted) {
      const newest = await newestPoint();
      if (newest !== undefined) {
        judge.promised(newest);
        hasPoint = true;
      }
      await sleep(LOOK_EVERY_MS);
    }
  })();
  opened.add(() => {
    watching.abort();
    return watched;
  });
  await until(`the first point of ${name}`, () => hasPoint, { seconds: patience(), everyMilliseconds: 100 });

  return {
    name,
    member,
    source,
    newestPoint,
    judge: judge.judge,
  };
};
