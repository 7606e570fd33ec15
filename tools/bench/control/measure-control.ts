import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTestClient, enrolMember, fillHistory, type TestClient } from '@holdfast/configuration-server/conformance';
import { AlertService, EventService, JobService, JobState, MachineService, PolicyService, ProtectionService } from '@holdfast/protocol';
import { compilePrograms, WORKSPACE } from '../../bundle/compile-programs.ts';
import { type ConfigurationServer, startConfigurationServer } from '../../site/configuration-server.ts';
import { cpuSecondsOf } from '../cpu.ts';
import { type ControlFleet, createControlFleet, eachOf, enrolMachines } from './control-fleet.ts';

export interface ControlOptions {
  readonly directory: string;
  readonly machines: number;
  /** Of these the time to enrol is told. */
  readonly timedEnrolments: number;
  readonly history: { readonly events: number; readonly jobs: number };
  readonly measureMs: number;
  note(line: string): void;
}

/** What a configuration server did while all its members reported. */
export interface ControlFigures {
  /** Of one processor. */
  readonly cpuShare: number;
  readonly residentMB: number;
  /** Milliseconds of pages of 100 rows, by list: half of them, and all but one of a hundred. */
  readonly pages: Readonly<Record<string, { readonly p50: number; readonly p99: number }>>;
  /** Milliseconds from the answer of a change until those who watch heard of it. */
  readonly watchP99: number;
}

export interface Control {
  readonly enrolmentSeconds: number;
  readonly fresh: ControlFigures;
  readonly withHistory: ControlFigures;
}

/** Milliseconds between two page reads, so that they are a part of the load only. */
const PAGES_APART = 20;
const SETTLE = 15_000;
const CHANGES = 100;

const quantile = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))]!;

const residentMB = (pid: number): number => {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return (Number(kibibytes) * 1024) / 1e6;
};

/** Pages of every list, in turns, until the time is over. */
const readPages = async (client: TestClient, milliseconds: number): Promise<ControlFigures['pages']> => {
  const [machines, jobs, events, alerts, protections] = [
    client.api(MachineService),
    client.api(JobService),
    client.api(EventService),
    client.api(AlertService),
    client.api(ProtectionService),
  ];
  const size = { pageSize: 100 };
  const lists: Readonly<Record<string, () => Promise<unknown>>> = {
    machines: () => machines.listMachines(size),
    protections: () => protections.listProtections(size),
    jobs: () => jobs.listJobs(size),
    'failed jobs': () => jobs.listJobs({ ...size, states: [JobState.FAILED] }),
    events: () => events.listEvents(size),
    alerts: () => alerts.listAlerts(size),
  };
  for (const read of Object.values(lists)) await read();
  const took: Record<string, number[]> = {};
  const end = performance.now() + milliseconds;
  while (performance.now() < end)
    for (const [name, read] of Object.entries(lists)) {
      const began = performance.now();
      await read();
      const times = took[name] ?? [];
      took[name] = [...times, performance.now() - began];
      await sleep(PAGES_APART);
    }
  return Object.fromEntries(Object.entries(took).map(([name, times]) => [name, { p50: quantile(times, 0.5), p99: quantile(times, 0.99) }]));
};

/** How long those who watch events wait for one, after whoever made the change has the answer. */
const watchDelays = async (client: TestClient): Promise<number[]> => {
  const watching = new AbortController();
  const policies = client.api(PolicyService);
  const heard = new Map<string, number>();
  const waiting = new Map<string, (at: number) => void>();
  const newest = (await client.api(EventService).listEvents({ pageSize: 1 })).events[0]?.revision ?? 0n;
  const watch = async (): Promise<void> => {
    for await (const { event } of client.api(EventService).watchEvents({ afterRevision: newest }, { signal: watching.signal })) {
      if (event?.code !== 'policy-created') continue;
      heard.set(event.subject, performance.now());
      waiting.get(event.subject)?.(performance.now());
    }
  };
  const watched = watch().catch(() => undefined);
  const delays: number[] = [];
  for (let index = 0; index < CHANGES; index += 1) {
    const { policy } = await policies.createPolicy({ policy: { name: `watched-${newest}-${index}` } });
    const answered = performance.now();
    const id = policy!.id;
    const at = heard.get(id) ?? (await new Promise<number>((resolve) => waiting.set(id, resolve)));
    delays.push(Math.max(0, at - answered));
    await sleep(50);
  }
  watching.abort();
  await watched;
  return delays;
};

const measure = async (server: ConfigurationServer, client: TestClient, milliseconds: number): Promise<ControlFigures> => {
  const pid = server.process.pid!;
  // Nobody asks anything: what all the reports alone cost.
  const from = cpuSecondsOf(pid);
  await sleep(milliseconds);
  const cpuShare = (cpuSecondsOf(pid) - from) / (milliseconds / 1000);
  const resident = residentMB(pid);
  const pages = await readPages(client, milliseconds);
  return { cpuShare, residentMB: Math.max(resident, residentMB(pid)), pages, watchP99: quantile(await watchDelays(client), 0.99) };
};

const protectAll = async (client: TestClient, fleet: ControlFleet): Promise<void> => {
  const protections = client.api(ProtectionService);
  await eachOf(fleet.machineIds, async (machine) => {
    await protections.protect({ machine });
  });
  const jobs = client.api(JobService);
  for (;;) {
    const { jobs: open } = await jobs.listJobs({ states: [JobState.QUEUED, JobState.RUNNING] });
    if (open.length === 0) return;
    await sleep(500);
  }
};

/** One configuration server with its own settings, as a process, and members that are simulated here. */
export const measureControl = async ({
  directory,
  machines,
  timedEnrolments,
  history,
  measureMs,
  note,
}: ControlOptions): Promise<Control> => {
  // Tokens for all machines are made by one caller at one moment.
  const settings = 'history: { events: 200000, jobs: 20000 }\ncalls: { per-person: 10000, per-address: 40000 }';
  // As it is installed: what node needs to read sources would count as memory of the server.
  const programs = path.join(directory, 'programs');
  await compilePrograms(programs, WORKSPACE, ['packages/configuration-server/src/main.ts']);
  const server = await startConfigurationServer({ directory, settings, main: path.join(programs, 'main.mjs') });
  const client = createTestClient(server.port, server.administratorToken.trim());
  let fleet: ControlFleet | undefined;
  try {
    const timed = await enrolMachines(client, 0, timedEnrolments);
    note(`${timedEnrolments} machines enrolled in ${timed.seconds.toFixed(1)} s`);
    const rest = await enrolMachines(client, timedEnrolments, machines - timedEnrolments);
    fleet = createControlFleet(client, [...timed.members, ...rest.members], await enrolMember(client, 'process-server', 'gateway'));
    await fleet.connect();
    note(`${machines} machines are connected`);
    await protectAll(client, fleet);
    note(`${machines} machines are protected`);
    await sleep(SETTLE);
    const fresh = await measure(server, client, measureMs);
    await fleet.disconnect();
    await server.process.stop();
    await fillHistory(path.join(directory, 'state'), { ...history, machineIds: fleet.machineIds });
    note(`${history.events} events and ${history.jobs} jobs are there`);
    await server.process.start();
    await fleet.connect();
    await sleep(SETTLE);
    return { enrolmentSeconds: timed.seconds, fresh, withHistory: await measure(server, client, measureMs) };
  } finally {
    await fleet?.disconnect().catch(() => undefined);
    await server.process.stop();
  }
};
