import type { Metrics } from '@holdfast/daemon';
import type { AgentReport, ServerReport } from '@holdfast/protocol';
import { alerts } from './alerts/alert-record.ts';
import type { AgentPresence, Known, ServerPresence } from './control/presence.ts';
import { type Kind, listAll } from './records/kind.ts';
import { machines as machineKind, servers as serverKind } from './records/kinds.ts';
import type { StateStore } from './state/state-store.ts';

export interface ServerMetrics {
  /** A call ended. */
  call(method: string, outcome: string): void;
}

interface Sources {
  readonly store: StateStore;
  readonly agents: AgentPresence;
  readonly servers: ServerPresence;
}

/** A figure of each machine or server that has told anything since this program started; undefined where it says nothing of it. */
type Figure<R> = readonly [
  name: string,
  help: string,
  read: (report: R, known: Known<unknown, R>) => number | Readonly<Record<string, number>> | undefined,
  /** What tells several values apart. */
  label?: string,
];

const CHURN = ['1', '2', '5', '10', '20', '54', '100', 'more'];

const ofMachines: readonly Figure<AgentReport>[] = [
  [
    'machine_rpo_seconds',
    'Age of the newest state of a machine that is safe; grows while nothing is heard of its agent',
    ({ newestPointUnixMillis, rpoSeconds }, { lastSeen }) =>
      newestPointUnixMillis === 0n ? undefined : rpoSeconds + Math.max(0, Date.now() - lastSeen) / 1000,
  ],
  ['machine_connected', '1 while the agent of a machine has a control stream', (_, { connected }) => (connected ? 1 : 0)],
  ['machine_pending_bytes', "Bytes in the log of a machine's agent that are not durable", ({ pendingBytes }) => Number(pendingBytes)],
  ['machine_source_bytes', 'Bytes of disk in cuts that are on no process server yet', ({ sourceBytes }) => Number(sourceBytes)],
  ['machine_changed_bytes_per_second', 'What changes on the disks of a machine', (report) => Number(report.changedBytesPerSecond)],
  ['machine_sent_bytes_per_second', 'What the agent of a machine sends', (report) => Number(report.sentBytesPerSecond)],
  ['machine_without_server_seconds', 'Time an agent has reached no process server', (report) => report.secondsWithoutServer],
  [
    'machine_churn_seconds',
    'Seconds since its agent started in which so much of a machine changed, by megabytes a second; each is told once',
    ({ churnSeconds }) => Object.fromEntries(churnSeconds.map((seconds, index) => [CHURN[index] ?? 'more', Number(seconds)])),
    'below',
  ],
];

const ofServers: readonly Figure<ServerReport>[] = [
  ['server_connected', '1 while a process server has a control stream', (_, { connected }) => (connected ? 1 : 0)],
  ['server_machines', 'Machines whose data a process server receives', ({ machines }) => machines.length],
  ['server_journal_used_bytes', 'Bytes of the journal of a process server in use', (report) => Number(report.journalUsedBytes)],
  ['server_journal_quota_bytes', 'Bytes it may take', (report) => Number(report.journalQuotaBytes)],
  ['server_cpu_share', 'What a process server uses; 1 is one processor', (report) => report.cpuShare],
  [
    'server_memory_used_ratio',
    'Used part of the memory of its machine',
    ({ memoryBytes, memoryUsedBytes }) => ratio(memoryUsedBytes, memoryBytes),
  ],
  [
    'server_pending_bytes',
    'Bytes in the journal of a process server that are not durable',
    ({ machines }) => machines.reduce((sum, { pendingBytes }) => sum + Number(pendingBytes), 0),
  ],
  [
    'server_uploading_bytes',
    'Of these, bytes on their way into stores',
    ({ machines }) => machines.reduce((sum, { uploadingBytes }) => sum + Number(uploadingBytes), 0),
  ],
  [
    'server_backlog_seconds',
    'Time the oldest of it waits for its vault',
    ({ machines }) => machines.reduce((most, { oldestPendingMillis }) => Math.max(most, Number(oldestPendingMillis)), 0) / 1000,
  ],
];

const ratio = (part: bigint, whole: bigint): number | undefined => (whole === 0n ? undefined : Number(part) / Number(whole));

/** Exports figures of all members of one kind, under their names. */
const exportFigures = <R>(
  metrics: Metrics,
  label: string,
  { store }: Sources,
  kind: Kind<{ readonly name: string }>,
  get: (id: string) => Known<unknown, R> | undefined,
  figures: readonly Figure<R>[],
): void => {
  for (const [name, help, read, further] of figures)
    metrics.gauge({
      name,
      help,
      labels: [label, ...(further === undefined ? [] : [further])],
      async collect(gauge) {
        gauge.reset();
        for await (const { id, value } of listAll(store, kind)) {
          const known = get(id);
          const found = known?.report === undefined ? undefined : read(known.report, known);
          if (typeof found === 'number') gauge.set({ [label]: value.name }, found);
          else if (found !== undefined && further !== undefined)
            for (const [which, number] of Object.entries(found)) gauge.set({ [label]: value.name, [further]: which }, number);
        }
      },
    });
};

/** The numbers of a configuration server. */
export const createServerMetrics = (metrics: Metrics, sources: Sources): ServerMetrics => {
  const { store, agents, servers } = sources;
  const calls = metrics.counter({ name: 'calls_total', help: 'Calls that ended, by method and outcome', labels: ['method', 'outcome'] });
  metrics.gauge({
    name: 'machines_connected',
    help: 'Machines with a control stream',
    collect: (gauge) => gauge.set(agents.connected().length),
  });
  metrics.gauge({
    name: 'servers_connected',
    help: 'Servers with a control stream',
    collect: (gauge) => gauge.set(servers.connected().length),
  });
  metrics.gauge({
    name: 'alerts',
    help: 'Alerts there are, by severity and code',
    labels: ['severity', 'code'],
    async collect(gauge) {
      gauge.reset();
      for await (const { value } of listAll(store, alerts)) gauge.inc({ severity: value.severity, code: value.code });
    },
  });
  exportFigures(metrics, 'machine', sources, machineKind, (id) => agents.get(id), ofMachines);
  exportFigures(metrics, 'server', sources, serverKind, (id) => servers.get(id), ofServers);
  metrics.gauge({ name: 'state_revision', help: 'Newest revision of the state', collect: (gauge) => gauge.set(store.revision()) });
  return { call: (method, outcome) => calls.inc({ method, outcome }) };
};
