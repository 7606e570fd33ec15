import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@holdfast/daemon';
import { type AgentReport, Health } from '@holdfast/protocol';
import { failures } from '../checks/check-machine.ts';
import type { Checking } from '../checks/keep-checking.ts';
import type { AgentPresence, ServerPresence } from '../control/presence.ts';
import { bounded } from '../control/transitions.ts';
import { oldestAllowed, proofSchedules } from '../proofs/keep-proving.ts';
import { machineProofs } from '../proofs/proof-record.ts';
import type { Reconciliation } from '../reconcile/reconciliation.ts';
import { find, type Kind, listAll, type Stored } from '../records/kind.ts';
import { assignments, machines, manifests, policies, protections, type ServerRecord, servers as serverKind } from '../records/kinds.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import { leftOverAlerts } from '../recovery/left-overs.ts';
import { machinesOff } from '../recovery/machines-off.ts';
import type { StateStore } from '../state/state-store.ts';
import { vaultFacts } from '../vaults/vault-facts.ts';
import { type AlertRecord, alertId, alerts, silences } from './alert-record.ts';
import {
  type Condition,
  durablePoints,
  machineConditions,
  notVouchedFor,
  serverConditions,
  type Thresholds,
  TOLD_ELSEWHERE,
} from './conditions.ts';
import { createHysteresis } from './hysteresis.ts';
import { unreconciled } from './unreconciled.ts';
import { vaultConditions } from './vault-conditions.ts';

export interface AlertEngineOptions {
  readonly store: StateStore;
  readonly agents: AgentPresence;
  readonly servers: ServerPresence;
  readonly thresholds: Thresholds;
  /** What protections need and lack. */
  readonly checking: Pick<Checking, 'found'>;
  /** Milliseconds between two looks. */
  readonly interval: number;
  /** Milliseconds that something has to be well before its alert ends; 0 unless told. */
  readonly calm?: number;
  readonly reconciliation: Pick<Reconciliation, 'state'>;
  /** What is not well with this server itself, in words; undefined when all is. */
  readonly ownProblem: () => string | undefined;
  readonly log: Log;
  readonly now?: () => number;
}

/** Looks at everything again and again, and keeps the alerts that follow. */
export interface AlertEngine {
  /** Looks every few seconds until `stopping` aborts. */
  run(stopping: AbortSignal): Promise<void>;
  /** Looks once. */
  look(): Promise<void>;
  /** The alerts there are. */
  current(): readonly Stored<AlertRecord>[];
  /** The words of an alert as they are now. */
  textOf(alert: Stored<AlertRecord>): string;
  /** The gravest alert about something that is not silenced. */
  healthOf(subject: string): Health;
}

interface Found extends Condition {
  readonly id: string;
  readonly subject: string;
  readonly subjectName: string;
}

const hasProblem = (report: AgentReport | undefined): boolean => report?.disks.some(({ problemCode }) => problemCode !== '') === true;

/** What failed, in words. */
const lacking = (found: ReturnType<Checking['found']>): readonly string[] =>
  found === undefined ? [] : failures(found).map(({ code, thing, text }) => `${code} (${thing}): ${text}`);

const GRAVITY = { information: 0, warning: 1, critical: 2 } as const;

const isSilenced = ({ silencedUntil }: AlertRecord, now: number): boolean => silencedUntil > now;

export const createAlertEngine = ({
  store,
  agents,
  servers,
  thresholds,
  checking,
  interval,
  calm = 0,
  reconciliation,
  ownProblem,
  log,
  now = Date.now,
}: AlertEngineOptions): AlertEngine => {
  const started = now();
  const steady = createHysteresis<Found>(calm, now);
  /** When a condition was seen first, for those that have to last. */
  const seen = new Map<string, number>();
  let texts = new Map<string, string>();
  let known: readonly Stored<AlertRecord>[] = [];
  let worst = new Map<string, AlertRecord['severity']>();

  const byId = async <T>(kind: Kind<T>): Promise<ReadonlyMap<string, T>> => {
    const all = new Map<string, T>();
    for await (const { id, value } of listAll(store, kind)) all.set(id, value);
    return all;
  };

  const gather = async (): Promise<Found[]> => {
    const at = now();
    const found: Found[] = [];
    const add = (subject: string, subjectName: string, conditions: readonly Condition[]): void => {
      for (const condition of conditions)
        found.push({ ...condition, text: bounded(condition.text), id: alertId(subject, condition.code), subject, subjectName });
    };
    const receiving = new Map<string, number>();
    for await (const { id } of listAll(store, assignments)) {
      const server = id.slice(0, id.indexOf('/'));
      receiving.set(server, (receiving.get(server) ?? 0) + 1);
    }
    const reports = [];
    const known: Stored<ServerRecord>[] = [];
    for await (const server of listAll(store, serverKind)) {
      const { id, value } = server;
      known.push(server);
      const there = servers.get(id);
      reports.push(there?.report);
      const facts = {
        name: value.name,
        connected: there?.connected ?? false,
        lastSeen: there?.lastSeen ?? value.lastSeen,
        machines: receiving.get(id) ?? 0,
        report: there?.report,
      };
      add(id, value.name, serverConditions(facts, at, started, thresholds));
      for (const { machineId, machineName, text } of await machinesOff(store, { id, name: value.name }, there?.report?.recoveries ?? []))
        add(machineId, machineName, [{ severity: 'critical', code: 'recovered-machine-off', text }]);
    }
    const durable = durablePoints(reports);
    const unbelieved = notVouchedFor(reports);
    // All of them at once: one by one they are thousands of reads.
    const protectionOf = await byId(protections);
    const policyOf = await byId(policies);
    const bound = new Map<string, number>();
    for (const { vault } of protectionOf.values()) bound.set(vault, (bound.get(vault) ?? 0) + 1);
    for (const facts of await vaultFacts(store, servers, known, bound)) add(facts.id, facts.name, vaultConditions(facts, thresholds));
    const proofsOf = await byId(machineProofs);
    const schedules = await proofSchedules(store);
    for await (const { id, value } of listAll(store, machines)) {
      if (value.protectionId === '') continue;
      const protection = protectionOf.get(value.protectionId);
      const there = agents.get(id);
      const facts = {
        name: value.name,
        protection,
        policy: protection === undefined ? undefined : policyOf.get(protection.policyId),
        // It gives names to disks that have a problem, and is large.
        manifest: hasProblem(there?.report) ? (await find(store, manifests, id))?.value : undefined,
        connected: there?.connected ?? false,
        lastSeen: there?.lastSeen ?? value.lastSeen,
        report: there?.report,
        missing: lacking(checking.found(id)),
        durableAtServer: durable.get(id) ?? 0,
        notVouched: unbelieved.get(id),
        proofs: proofsOf.has(id) ? { proofs: proofsOf.get(id)!, oldest: oldestAllowed(schedules.get(id)) } : undefined,
      };
      add(id, value.name, machineConditions(facts, at, started, thresholds));
    }
    for (const { machineId, machineName, severity, text } of await leftOverAlerts(store))
      add(machineId, machineName, [{ severity, code: 'recovery-left-over', text }]);
    const waiting = await reconciliation.state();
    if (waiting !== undefined) add('', 'configuration server', [unreconciled(waiting, at)]);
    const own = ownProblem();
    if (own !== undefined) add('', 'configuration server', [{ severity: 'critical', code: 'configuration-server', text: own }]);
    return found;
  };

  /** Those that lasted long enough. */
  const lasting = (found: readonly Found[]): Found[] => {
    const at = now();
    const ids = new Set(found.map(({ id }) => id));
    for (const id of [...seen.keys()]) if (!ids.has(id)) seen.delete(id);
    return found.filter(({ id, lasting: needed = 0 }) => {
      const first = seen.get(id) ?? at;
      seen.set(id, first);
      return at - first >= needed;
    });
  };

  const raise = async (
    transaction: Transaction,
    { id, severity, code, subject, subjectName, text }: Found,
    before: AlertRecord | undefined,
  ): Promise<void> => {
    const silence = before === undefined ? (await transaction.read(silences, id))?.value : undefined;
    if (silence !== undefined) transaction.delete(silences, id);
    const fresh: AlertRecord = {
      severity,
      code,
      subject,
      subjectName,
      text,
      since: now(),
      acknowledgedBy: '',
      acknowledgedAt: 0,
      silencedBy: '',
      silencedUntil: 0,
      ...silence,
    };
    // Graver than what somebody looked at: that has to be looked at again.
    const grew = before !== undefined && GRAVITY[severity] > GRAVITY[before.severity];
    const kept = before === undefined ? fresh : { ...before, severity, text };
    transaction.put(alerts, id, grew ? { ...kept, acknowledgedBy: '', acknowledgedAt: 0 } : kept);
    if ((before !== undefined && !grew) || TOLD_ELSEWHERE.has(code)) return;
    if (isSilenced(before ?? fresh, now())) return;
    transaction.event({ severity, code, text, subject, actor: 'configuration server' });
  };

  const settle = async (wanted: readonly Found[]): Promise<void> => {
    for (const found of wanted)
      await transact(store, async (transaction) => {
        const before = (await transaction.read(alerts, found.id))?.value;
        if (before === undefined || before.severity !== found.severity) await raise(transaction, found, before);
      });
    const ids = new Set(wanted.map(({ id }) => id));
    for await (const { id } of listAll(store, alerts)) {
      if (ids.has(id)) continue;
      await transact(store, async (transaction) => {
        const gone = await transaction.read(alerts, id);
        if (gone === undefined) return;
        transaction.delete(alerts, id);
        const { code, subject, subjectName, silencedBy, silencedUntil } = gone.value;
        // It may come back within the time for which nobody wants to hear of it.
        if (isSilenced(gone.value, now())) transaction.put(silences, id, { silencedBy, silencedUntil });
        if (isSilenced(gone.value, now()) || TOLD_ELSEWHERE.has(code)) return;
        transaction.event({
          severity: 'information',
          code: `${code}-over`,
          text: `${subjectName}: ${code} is over`,
          subject,
          actor: 'configuration server',
        });
      });
    }
  };

  const remember = async (): Promise<void> => {
    const all: Stored<AlertRecord>[] = [];
    for await (const alert of listAll(store, alerts)) all.push(alert);
    known = all;
    worst = new Map();
    for (const { value } of all) {
      if (isSilenced(value, now())) continue;
      if (worst.get(value.subject) !== 'critical') worst.set(value.subject, value.severity);
    }
  };

  const lookNow = async (): Promise<void> => {
    const found = steady(lasting(await gather()));
    texts = new Map(found.map(({ id, text }) => [id, text]));
    await settle(found);
    await remember();
  };

  let last: Promise<unknown> = Promise.resolve();
  /** One after the other: what a look saw is old when a later one has settled. */
  const look = (): Promise<void> => {
    const turn = last.then(lookNow);
    last = turn.catch(() => undefined);
    return turn;
  };

  return {
    look,
    current: () => known,
    textOf: ({ id, value }) => texts.get(id) ?? value.text,
    healthOf(subject) {
      const gravest = worst.get(subject);
      if (gravest === undefined) return Health.HEALTHY;
      return gravest === 'critical' ? Health.CRITICAL : Health.WARNING;
    },
    async run(stopping) {
      while (!stopping.aborted) {
        try {
          await look();
        } catch (error) {
          log.warn('Alerts could not be brought up to date; it is tried again', { error });
        }
        await sleep(interval, undefined, { signal: stopping }).catch(() => undefined);
      }
    },
  };
};
