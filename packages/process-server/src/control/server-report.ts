import { availableParallelism, freemem, totalmem } from 'node:os';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { CheckAnswerer } from '@holdfast/daemon';
import { idBytes, type ServerReportSchema } from '@holdfast/protocol';
import type { Journal } from '../journal/journal.ts';
import type { Keeper } from '../keeper/keeper.ts';
import type { Machine } from '../machines.ts';
import type { RecoveryRole } from '../recovery/start-recovery.ts';
import type { Vaults } from '../upload/vaults.ts';
import type { Assignments } from './assignments.ts';
import type { ControlBackups } from './control-backups.ts';
import type { Events } from './events.ts';
import type { Reconciler } from './reconcile.ts';
import { standingsOf, vaultReports } from './vault-reports.ts';

/** Characters of a problem that are told. */
const MOST_WORDS = 500;

/** Tells how much of one processor this process used since the last call. */
export const createCpuShare = (): (() => number) => {
  let last = { ...process.cpuUsage(), time: performance.now() };
  return () => {
    const next = { ...process.cpuUsage(), time: performance.now() };
    const used = (next.user + next.system - last.user - last.system) / 1000;
    const passed = Math.max(1, next.time - last.time);
    last = next;
    return used / passed;
  };
};

export interface ReportSources {
  readonly machines: Iterable<Machine>;
  readonly vaults: Pick<Vaults, 'standings'>;
  readonly journal: Pick<Journal, 'usage'>;
  readonly cpuShare: number;
  readonly events: Events;
  readonly reconciler: Pick<Reconciler, 'report'>;
  readonly assignments: Assignments;
  readonly backups: Pick<ControlBackups, 'report'>;
  readonly recovery: Pick<RecoveryRole, 'report'>;
  readonly checks: Pick<CheckAnswerer, 'answer'>;
  /** Undefined where this server keeps nothing. */
  readonly keeper: Pick<Keeper, 'notVouched'> | undefined;
}

/** What the configuration server is told every few seconds. Takes the events. */
export const makeReport = ({
  machines,
  vaults,
  journal,
  cpuShare,
  events,
  reconciler,
  assignments,
  backups,
  recovery,
  checks,
  keeper,
}: ReportSources): MessageInitShape<typeof ServerReportSchema> => {
  const standings = standingsOf(machines);
  return {
    revision: BigInt(assignments.revision),
    machines: standings.map(({ assignment, state }) => {
      const { term, head, pendingBytes, uploadingBytes, backlog, newestPoint, problem } = state;
      return {
        machineId: idBytes(assignment.machineId),
        term: BigInt(term),
        durableSequence: BigInt(Math.max(0, head?.sequence ?? 0)),
        durableTag: Uint8Array.from(Buffer.from(head?.tag ?? '', 'hex')),
        pendingBytes: BigInt(pendingBytes),
        newestPointUnixMillis: BigInt(newestPoint),
        uploadingBytes: BigInt(uploadingBytes),
        oldestPendingMillis: BigInt(Math.round(backlog)),
        problem: problem?.message.slice(0, MOST_WORDS) ?? '',
        notVouched: keeper?.notVouched(assignment.machineId)?.message.slice(0, MOST_WORDS) ?? '',
      };
    }),
    journalUsedBytes: BigInt(journal.usage.used),
    journalQuotaBytes: BigInt(journal.usage.quota),
    cpuShare,
    residentBytes: BigInt(process.memoryUsage.rss()),
    processors: availableParallelism(),
    memoryBytes: BigInt(totalmem()),
    memoryUsedBytes: BigInt(totalmem() - freemem()),
    ...recovery.report(),
    ...reconciler.report(assignments),
    backups: [...backups.report()],
    vaults: vaultReports(vaults, standings),
    unixMillis: BigInt(Date.now()),
    ...(checks.answer === undefined ? {} : { checks: checks.answer }),
    events: events.take().map(({ time, code, text }) => ({ unixMillis: BigInt(time), code, text })),
  };
};
