import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@holdfast/daemon';
import { ProtectionState } from '@holdfast/protocol';
import type { AgentPresence, ServerPresence } from '../control/presence.ts';
import { serversFor } from '../jobs/choose-server.ts';
import type { JobPlan } from '../jobs/job-plan.ts';
import type { JobRecord } from '../jobs/job-record.ts';
import { openJobOf } from '../jobs/open-job-of.ts';
import { startJob } from '../jobs/start-job.ts';
import { listAll, type Stored } from '../records/kind.ts';
import { machines, protections, servers as serverKind } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { FAILING } from '../recovery/recovery-commits.ts';
import type { StateStore } from '../state/state-store.ts';

export interface BalanceOptions {
  readonly store: StateStore;
  readonly agents: AgentPresence;
  readonly servers: ServerPresence;
  readonly plans: { readonly move: JobPlan };
  readonly log: Log;
  /** Milliseconds a server may be away, or out of a machine's reach, before its machines are moved. */
  readonly reassignAfter: number;
  /** Milliseconds between two looks. */
  readonly interval: number;
  readonly now?: () => number;
}

const ACTOR = 'configuration server';
/** Characters of what an agent says that are told to people. */
const MOST_WORDS = 300;

/** Why machines have to leave a server, if they do. */
const leaving = async (
  { store, servers, reassignAfter, now = Date.now }: BalanceOptions,
  started: number,
): Promise<(server: string) => string | undefined> => {
  const reasons = new Map<string, string | undefined>();
  for await (const { id, value } of listAll(store, serverKind)) {
    const known = servers.get(id);
    // Of the time before this program started nothing is known: a server gets the same time again to come back.
    const lastSeen = Math.max(known?.lastSeen ?? value.lastSeen, started);
    const isAway = known?.connected !== true && now() - lastSeen >= reassignAfter;
    reasons.set(id, value.draining === true ? `${value.name} is drained` : isAway ? `${value.name} is away` : undefined);
  }
  return (server) => {
    if (server === '') return 'it has no process server';
    return reasons.has(server) ? reasons.get(server) : 'its process server was removed';
  };
};

/** Why a machine has to leave a server that is well: it cannot reach it, and perhaps it can reach another. It goes on cutting meanwhile. */
const outOfReach = ({ agents, reassignAfter }: BalanceOptions, machineId: string): string | undefined => {
  const known = agents.get(machineId);
  if (known?.connected !== true || known.report === undefined) return undefined;
  const { secondsWithoutServer, serverProblem } = known.report;
  if (!(secondsWithoutServer * 1000 >= reassignAfter)) return undefined;
  return `it cannot reach its process server: ${serverProblem.slice(0, MOST_WORDS)}`;
};

/** A first copy may take days, and goes on at another server; it is no reason to wait. */
const mayMove = (job: Stored<JobRecord> | undefined): boolean =>
  job === undefined || (job.value.kind === 'protect' && !job.value.cancelling && job.value.steps[0]?.state === 'succeeded');

/**
 * Starts the moves that are needed now: away from servers that are lost, drained or out of reach, and for machines that have none. Gives how many.
 * `tried`: when machines were moved because of what they say themselves; kept here.
 */
const balanceOnce = async (options: BalanceOptions, started: number, tried: Map<string, number>): Promise<number> => {
  const { store, servers, plans, reassignAfter, now = Date.now } = options;
  const reasonOf = await leaving(options, started);
  let moves = 0;
  for await (const { id, value: protection } of listAll(store, protections)) {
    const { processServerId: from, machineId, vault, state } = protection;
    // A machine that reaches none of them, or says so, does not wander faster than that.
    const isSettled = now() - (tried.get(machineId) ?? 0) >= reassignAfter;
    const reason = reasonOf(from) ?? (isSettled ? outOfReach(options, machineId) : undefined);
    // One that is failed over sends nothing until that is cancelled.
    if (reason === undefined || state === ProtectionState.STOPPING || FAILING.has(state)) continue;
    if (!mayMove(await openJobOf(store, machineId))) continue;
    if (!(await serversFor(store, servers, vault)).some((other) => other !== from)) continue;
    await transact(store, async (transaction) => {
      const machine = await transaction.read(machines, machineId);
      const current = await transaction.read(protections, id);
      if (machine?.value.protectionId !== id || current?.value.processServerId !== from) return;
      if (!mayMove(await openJobOf(store, machineId, transaction))) return;
      startJob(transaction, plans.move, { kind: 'move', machineId, protectionId: id, startedBy: ACTOR });
      transaction.event({
        severity: 'warning',
        code: 'machine-reassigned',
        text: `${machine.value.name} is moved to another process server: ${reason}`,
        subject: machineId,
        actor: ACTOR,
      });
      moves += 1;
      tried.set(machineId, now());
    });
  }
  return moves;
};

/** Looks again and again until `stopping` aborts. */
export const keepBalance = async (options: BalanceOptions, stopping: AbortSignal): Promise<void> => {
  const started = (options.now ?? Date.now)();
  const tried = new Map<string, number>();
  while (!stopping.aborted) {
    try {
      await balanceOnce(options, started, tried);
    } catch (error) {
      options.log.warn('Machines could not be moved; it is tried again', { error });
    }
    await sleep(options.interval, undefined, { signal: stopping }).catch(() => undefined);
  }
};
