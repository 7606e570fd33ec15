import { Buffer } from 'node:buffer';
import { aboutTime } from '@holdfast/daemon';
import {
  type AgentReport,
  DiskPhase,
  idText,
  type Manifest,
  type Policy,
  type Protection,
  ProtectionState,
  type ServerReport,
} from '@holdfast/protocol';
import { diskName } from '../control/transitions.ts';
import { type MachineProofs, proofProblem } from '../proofs/proof-record.ts';
import type { AlertCode } from './alert-codes.ts';
import type { AlertSeverity } from './alert-record.ts';

/** From which values on something is an alert. */
export interface Thresholds {
  /** Milliseconds without a sign of life. */
  readonly awayWarning: number;
  readonly awayCritical: number;
  /** Per cent of its journal that a process server may have filled. */
  readonly journalWarning: number;
  readonly journalCritical: number;
  /** Per cent of all its processors that a process server may use for long. */
  readonly cpuWarning: number;
  readonly cpuCritical: number;
  /** Per cent of its machine's memory that may be used for long. */
  readonly memoryWarning: number;
  readonly memoryCritical: number;
  /** Milliseconds that what it received may wait for its vault. */
  readonly backlogWarning: number;
  readonly backlogCritical: number;
  /** How many times its RPO threshold a machine may be behind before that is critical. */
  readonly rpoCritical: number;
}

/** Something that is not well at this moment. */
export interface Condition {
  readonly severity: AlertSeverity;
  readonly code: AlertCode;
  readonly text: string;
  /** Milliseconds it has to last before it is an alert. */
  readonly lasting?: number;
}

/** Codes whose beginning and end are events of their own already, in the commit that made them happen. */
export const TOLD_ELSEWHERE: ReadonlySet<string> = new Set(['replication-failed', 'resynchronizing']);

/** What is known of a machine, by whom it may concern. */
export interface MachineFacts {
  readonly name: string;
  readonly protection: Protection | undefined;
  readonly policy: Policy | undefined;
  readonly manifest: Manifest | undefined;
  readonly connected: boolean;
  /** Milliseconds since 1970; not before this server started, which could not know. */
  readonly lastSeen: number;
  readonly report: AgentReport | undefined;
  /** What its protection needs and lacks, in words. */
  readonly missing: readonly string[];
  /** Of the newest point that its process server made durable, milliseconds since 1970; 0 when it told of none. */
  readonly durableAtServer: number;
  /** What a keeper says that does not believe its catalogue; undefined where none does so. */
  readonly notVouched: string | undefined;
  /** Of its points; undefined where there was none and none is wanted. */
  readonly proofs?: ProofFacts | undefined;
}

export interface ProofFacts {
  readonly proofs: MachineProofs;
  /** Milliseconds after which the last proven point is too old; undefined: no schedule says so. */
  readonly oldest: number | undefined;
}

export interface ServerFacts {
  readonly name: string;
  readonly connected: boolean;
  readonly lastSeen: number;
  readonly machines: number;
  readonly report: ServerReport | undefined;
}

const MINUTE = 60_000;
/** A busy process server is nothing new; one that stays so is. */
const BUSY_FOR = 15 * MINUTE;
/** Clocks of a machine and of this server may differ by this much. */
const CLOCKS = MINUTE;

const away = (
  label: string,
  connected: boolean,
  lastSeen: number,
  now: number,
  limits: Thresholds,
  code: AlertCode,
): readonly Condition[] => {
  const since = now - lastSeen;
  if (connected || since < limits.awayWarning) return [];
  const severity = since >= limits.awayCritical ? 'critical' : 'warning';
  return [{ severity, code, text: `${label} has not been heard of for ${aboutTime(since)}` }];
};

const SENDING: ReadonlySet<ProtectionState> = new Set([ProtectionState.PROTECTED, ProtectionState.RESYNCHRONIZING, ProtectionState.FAILED]);

/** What a machine that falls behind is up against. */
const churn = (report: AgentReport | undefined): string => {
  const { changedBytesPerSecond: changed = 0n, sentBytesPerSecond: sent = 0n, peakChurnBytesPerSecond: peak = 0n } = report ?? {};
  const waiting = report?.sourceBytes ?? 0n;
  const most = peak > changed ? ` (at most ${megabytes(peak)})` : '';
  return [
    changed > sent ? `; ${megabytes(changed)} MB/s change${most}, ${megabytes(sent)} MB/s are sent` : '',
    waiting > 0n ? `; ${megabytes(waiting)} MB wait at the machine` : '',
  ].join('');
};

const megabytes = (bytes: bigint): string => (Number(bytes) / 1e6).toFixed(1);

const rpo = (
  { name, protection, policy, connected, lastSeen, report, durableAtServer }: MachineFacts,
  now: number,
  started: number,
  limits: Thresholds,
): readonly Condition[] => {
  if (protection === undefined || policy === undefined || !SENDING.has(protection.state)) return [];
  const newest = Math.max(Number(report?.newestPointUnixMillis ?? 0n), durableAtServer);
  // Nothing was told since this server started: what is older than that is not known.
  const sincePoint = now - (newest === 0 ? started : newest);
  // An agent knows better: cuts in which nothing has changed count as soon as its process server has them.
  const told = connected && report !== undefined && report.newestPointUnixMillis > 0n && report.rpoSeconds > 0;
  const behind = told ? Math.min(sincePoint, report.rpoSeconds * 1000 + Math.max(0, now - lastSeen)) : sincePoint;
  const threshold = policy.rpoThresholdSeconds * 1000;
  if (behind <= threshold) return [];
  const severity = behind > threshold * limits.rpoCritical ? 'critical' : 'warning';
  const words =
    newest === 0 ? `no recovery point was told of for ${aboutTime(behind)}` : `its newest safe recovery point is ${aboutTime(behind)} old`;
  return [{ severity, code: 'rpo-exceeded', text: `${name}: ${words}; the policy allows ${aboutTime(threshold)}${churn(report)}` }];
};

const disks = ({ name, report, manifest }: MachineFacts): readonly Condition[] => {
  // Why a disk is resynchronized is a state, with an alert of its own.
  const bad = (report?.disks ?? []).filter(({ problemCode, phase }) => problemCode !== '' && phase !== DiskPhase.RESYNCHRONIZING);
  if (bad.length === 0) return [];
  const words = bad.map(({ diskId, problemCode, problem }) => `${diskName(diskId, manifest)}: ${problemCode} ${problem}`);
  const failed = bad.some(({ phase }) => phase === DiskPhase.FAILED);
  return [{ severity: failed ? 'critical' : 'warning', code: 'disk-problem', text: `${name}, ${words.join('; ')}` }];
};

/** What the proofs of its points say: the last one failed, or the last that passed is too old. */
const proofConditions = ({ name, proofs: facts }: MachineFacts, now: number): readonly Condition[] => {
  if (facts === undefined) return [];
  const { last, lastProven, problem, since } = facts.proofs;
  const found: Condition[] = [];
  if (last?.passed === false && (problem === undefined || problem.at < last.at))
    found.push({
      severity: 'critical',
      code: 'proof-failed',
      text: `${name}: point ${last.point.slice(0, 8)} did not come up: ${proofProblem(last)}`,
    });
  else if (problem !== undefined)
    found.push({ severity: 'warning', code: 'proof-failed', text: `${name}: no point could be tried: ${problem.text}` });
  const age = now - (lastProven?.at ?? since);
  if (facts.oldest !== undefined && since > 0 && age > facts.oldest) {
    const words =
      lastProven === undefined ? `no point was proven for ${aboutTime(age)}` : `its last proven point was proven ${aboutTime(age)} ago`;
    found.push({ severity: 'warning', code: 'proof-too-old', text: `${name}: ${words}; ${aboutTime(facts.oldest)} are allowed` });
  }
  return found;
};

const FAILED_OVER: ReadonlySet<ProtectionState> = new Set([
  ProtectionState.FAILING_OVER,
  ProtectionState.FAILED_OVER,
  ProtectionState.COMMITTING,
  ProtectionState.COMMITTED,
]);

/** Of a machine that is failed over nobody expects points; that its source is back is worth knowing: both may serve people. */
const failedOver = ({ name, protection, connected }: MachineFacts): readonly Condition[] => {
  if (!connected || protection?.state === ProtectionState.FAILING_OVER) return [];
  const text = `${name} is failed over, and its source runs: it was told to send nothing; shut it down, or cancel the failover`;
  return [{ severity: 'warning', code: 'source-returned', text }];
};

/** Somebody may have forged what is said of its past: whatever else goes on with it. */
const notVouched = ({ name, notVouched: words }: MachineFacts): readonly Condition[] =>
  words === undefined
    ? []
    : [{ severity: 'critical', code: 'vault-not-vouched', text: `nothing of ${name} is forgotten or deleted in its vault: ${words}` }];

/** What is not well with a machine. A machine that nobody protects is well whatever it does. */
export const machineConditions = (facts: MachineFacts, now: number, started: number, limits: Thresholds): readonly Condition[] => {
  const { name, protection, connected, lastSeen, report, missing } = facts;
  if (protection === undefined) return [];
  const { state, stateDetail } = protection;
  const ahead = Number(report?.newestPointUnixMillis ?? 0n) - now;
  const detail = stateDetail === '' ? '' : `: ${stateDetail}`;
  if (FAILED_OVER.has(state)) return [...failedOver(facts), ...notVouched(facts)];
  return [
    ...notVouched(facts),
    ...away(`the agent of ${name}`, connected, Math.max(lastSeen, started), now, limits, 'agent-away'),
    ...rpo(facts, now, started, limits),
    ...disks(facts),
    ...proofConditions(facts, now),
    ...(missing.length === 0
      ? []
      : [
          {
            severity: 'warning',
            code: 'prerequisites-missing',
            text: `${name} lacks what its protection needs: ${missing.join('; ')}`,
          } as const,
        ]),
    ...(state === ProtectionState.FAILED
      ? [{ severity: 'critical', code: 'replication-failed', text: `${name} is not replicated${detail}` } as const]
      : []),
    ...(state === ProtectionState.RESYNCHRONIZING
      ? [{ severity: 'warning', code: 'resynchronizing', text: `${name} is resynchronized${detail}` } as const]
      : []),
    ...(ahead > CLOCKS
      ? [
          {
            severity: 'warning',
            code: 'clock-differs',
            text: `the clock of ${name} is ${aboutTime(ahead)} ahead of this server's`,
          } as const,
        ]
      : []),
  ];
};

const percent = (part: number, whole: number): number => (whole === 0 ? 0 : Math.round((100 * part) / whole));

const above = (value: number, warning: number, critical: number): AlertSeverity | undefined =>
  value >= critical ? 'critical' : value >= warning ? 'warning' : undefined;

/** The machine that waits longest for its vault, what waits in all, and why if that is known. */
const backlog = (report: ServerReport | undefined): { readonly millis: number; readonly words: string } => {
  const all = report?.machines ?? [];
  const [worst] = all.toSorted((a, b) => Number(b.oldestPendingMillis - a.oldestPendingMillis));
  const sum = (figure: (machine: (typeof all)[number]) => bigint): bigint => all.reduce((bytes, machine) => bytes + figure(machine), 0n);
  const [pending, uploading] = [sum(({ pendingBytes }) => pendingBytes), sum(({ uploadingBytes }) => uploadingBytes)];
  return {
    millis: Number(worst?.oldestPendingMillis ?? 0n),
    words:
      (pending > 0n ? `; ${megabytes(pending)} MB are in its journal, ${megabytes(uploading)} of them on the way into the store` : '') +
      (worst === undefined || worst.problem === '' ? '' : `: ${worst.problem}`),
  };
};

/** What is not well with a process server. */
export const serverConditions = (facts: ServerFacts, now: number, started: number, limits: Thresholds): readonly Condition[] => {
  const { name, connected, lastSeen, machines, report } = facts;
  const filled = percent(Number(report?.journalUsedBytes ?? 0n), Number(report?.journalQuotaBytes ?? 0n));
  const journal = above(filled, limits.journalWarning, limits.journalCritical);
  const busy = Math.round((100 * (report?.cpuShare ?? 0)) / (report?.processors || 1));
  const cpu = above(busy, limits.cpuWarning, limits.cpuCritical);
  const used = percent(Number(report?.memoryUsedBytes ?? 0n), Number(report?.memoryBytes ?? 0n));
  const memory = above(used, limits.memoryWarning, limits.memoryCritical);
  const waiting = backlog(report);
  const late = above(waiting.millis, limits.backlogWarning, limits.backlogCritical);
  return [
    // One that has nothing to do may be away.
    ...(machines > 0 ? away(name, connected, Math.max(lastSeen, started), now, limits, 'server-away') : []),
    ...(journal === undefined || !connected
      ? []
      : [
          {
            severity: journal,
            code: 'journal-filling' as const,
            text: `the journal of ${name} is ${filled} % full: it receives faster than it uploads`,
          },
        ]),
    ...(cpu === undefined || !connected
      ? []
      : [{ severity: cpu, code: 'server-busy' as const, text: `${name} uses ${busy} % of its processors`, lasting: BUSY_FOR }]),
    ...(memory === undefined || !connected
      ? []
      : [{ severity: memory, code: 'server-memory' as const, text: `${used} % of the memory of ${name} is used`, lasting: BUSY_FOR }]),
    ...(late === undefined || !connected
      ? []
      : [
          {
            severity: late,
            code: 'upload-backlog' as const,
            text: `what ${name} received has waited for its vault for ${aboutTime(waiting.millis)}${waiting.words}`,
          },
        ]),
  ];
};

/** By machine, what keepers say of catalogues that they do not believe. */
export const notVouchedFor = (reports: Iterable<ServerReport | undefined>): ReadonlyMap<string, string> => {
  const told = new Map<string, string>();
  for (const report of reports)
    for (const { machineId, notVouched: words } of report?.machines ?? [])
      if (words !== '' && Buffer.from(machineId).length === 16) told.set(idText(machineId), words);
  return told;
};

/** The newest durable points that process servers tell of, by machine. */
export const durablePoints = (reports: Iterable<ServerReport | undefined>): ReadonlyMap<string, number> => {
  const newest = new Map<string, number>();
  for (const report of reports)
    for (const { machineId, newestPointUnixMillis } of report?.machines ?? []) {
      if (Buffer.from(machineId).length !== 16) continue;
      const id = idText(machineId);
      newest.set(id, Math.max(newest.get(id) ?? 0, Number(newestPointUnixMillis)));
    }
  return newest;
};
