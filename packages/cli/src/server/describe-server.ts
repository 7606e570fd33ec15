import type { Server } from '@holdfast/protocol';
import { shortId } from '../choose/choose-resource.ts';
import { seen, seenCell } from '../machine/machines-answer.ts';
import type { Answer } from '../output/answer.ts';
import { formatBytes, formatCount, formatSeconds } from '../output/format.ts';
import { instant } from '../site/times.ts';
import { healthWord, roleWord, stateCell } from '../site/words.ts';

export interface ServerDescription {
  readonly id: string;
  readonly version: number;
  readonly name: string;
  readonly role: string;
  readonly health: string;
  readonly connected: boolean;
  readonly lastSeen: string | null;
  readonly softwareVersion: string;
  readonly endpoints: readonly string[];
  readonly vaults: readonly string[];
  /** Where it can start machines. */
  readonly fabrics: readonly { readonly name: string; readonly ready: boolean; readonly detail: string }[];
  /** It gets no machines, and those it has are moved to others. */
  readonly draining: boolean;
  /** Machines whose data it receives. */
  readonly machines: number;
  readonly journalUsed: number;
  readonly journalQuota: number;
  /** Of one processor; null where nothing was told. */
  readonly cpuShare: number | null;
  readonly residentBytes: number | null;
  /** Of the machine it runs on; null where nothing was told. */
  readonly memory: { readonly bytes: number; readonly used: number } | null;
  /** Bytes in its journal of all machines, and of these on their way into stores. */
  readonly pending: { readonly processServer: number; readonly storage: number };
  /** Seconds the oldest of it waits for its vault, and why if that is known. */
  readonly backlog: { readonly seconds: number; readonly problem: string };
}

/** A server as programs get it. */
export const describeServer = (server: Server): ServerDescription => ({
  id: server.id,
  version: Number(server.version),
  name: server.name,
  role: roleWord(server.role),
  health: healthWord(server.health),
  connected: server.connected,
  lastSeen: instant(server.lastSeenUnixMillis),
  softwareVersion: server.softwareVersion,
  endpoints: server.endpoints,
  vaults: server.vaults,
  fabrics: server.fabrics.map(({ name, ready, detail }) => ({ name, ready, detail })),
  draining: server.draining,
  machines: server.machines,
  journalUsed: Number(server.report?.journalUsedBytes ?? 0n),
  journalQuota: Number(server.report?.journalQuotaBytes ?? 0n),
  cpuShare: server.report?.cpuShare ?? null,
  residentBytes: server.report === undefined ? null : Number(server.report.residentBytes),
  memory:
    server.report === undefined || server.report.memoryBytes === 0n
      ? null
      : { bytes: Number(server.report.memoryBytes), used: Number(server.report.memoryUsedBytes) },
  ...describeBacklog(server),
});

const describeBacklog = ({ report }: Server): Pick<ServerDescription, 'pending' | 'backlog'> => {
  const machines = report?.machines ?? [];
  const [worst] = machines.toSorted((a, b) => Number(b.oldestPendingMillis - a.oldestPendingMillis));
  return {
    pending: {
      processServer: machines.reduce((sum, { pendingBytes }) => sum + Number(pendingBytes), 0),
      storage: machines.reduce((sum, { uploadingBytes }) => sum + Number(uploadingBytes), 0),
    },
    backlog: { seconds: Math.round(Number(worst?.oldestPendingMillis ?? 0n) / 1000), problem: worst?.problem ?? '' },
  };
};

const pendingWords = ({ pending, backlog }: ServerDescription): string =>
  `${formatBytes(pending.processServer)} in the journal, ${formatBytes(pending.storage)} of it on the way into stores` +
  (backlog.seconds === 0
    ? ''
    : `; the oldest waits for ${formatSeconds(backlog.seconds)}${backlog.problem === '' ? '' : `: ${backlog.problem}`}`);

const memoryWords = ({ memory }: ServerDescription): string =>
  memory === null ? '' : `; ${Math.round((100 * memory.used) / memory.bytes)} % of the machine's ${formatBytes(memory.bytes)} are used`;

const journalWords = ({ journalUsed, journalQuota }: ServerDescription): string =>
  journalQuota === 0 ? '' : `${Math.round((journalUsed / journalQuota) * 100)} % of ${formatBytes(journalQuota)}`;

export const serversAnswer = (servers: readonly ServerDescription[], now: number): Answer => ({
  data: servers,
  people:
    servers.length === 0
      ? [{ line: 'No server has joined yet. `holdfast token create --role process-server` prints the lines that make one join.' }]
      : [
          {
            columns: [
              { heading: 'SERVER', shrink: true },
              { heading: 'ID' },
              { heading: 'ROLE', optional: true },
              { heading: 'HEALTH' },
              { heading: 'CONNECTION' },
              { heading: 'MACHINES', right: true },
              { heading: 'JOURNAL', right: true, optional: true },
              { heading: 'VAULTS', shrink: true, optional: true },
              { heading: 'ENDPOINTS', shrink: true, optional: true },
            ],
            rows: servers.map((server) => [
              server.name,
              shortId(server.id, servers),
              server.role,
              stateCell(server.health),
              seenCell(server, now),
              server.draining ? `${server.machines}, drained` : String(server.machines),
              journalWords(server),
              server.vaults.join(', '),
              server.endpoints.join(', '),
            ]),
          },
        ],
});

export const serverAnswer = (server: ServerDescription, now: number): Answer => ({
  data: server,
  people: [
    { line: `${server.name} (${server.id}), ${server.role}` },
    { line: `  connection  ${seen(server, now)}, version ${server.softwareVersion || 'unknown'}` },
    { line: `  endpoints   ${server.endpoints.join(', ') || 'none'}` },
    { line: `  vaults      ${server.vaults.join(', ') || 'none'}` },
    ...server.fabrics.map(({ name, ready, detail }) => ({ line: `  fabric      ${name}, ${ready ? 'ready' : 'not ready'}: ${detail}` })),
    { line: `  machines    ${formatCount(server.machines, 'machine')}` },
    ...(server.journalQuota === 0 ? [] : [{ line: `  journal     ${journalWords(server)}` }]),
    ...(server.journalQuota === 0 ? [] : [{ line: `  pending     ${pendingWords(server)}` }]),
    ...(server.cpuShare === null || server.residentBytes === null
      ? []
      : [
          {
            line: `  uses        ${Math.round(server.cpuShare * 100)} % of a processor, ${formatBytes(server.residentBytes)} of memory${memoryWords(server)}`,
          },
        ]),
  ],
});
