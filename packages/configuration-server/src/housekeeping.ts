import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@holdfast/daemon';
import { silences } from './alerts/alert-record.ts';
import { endedJobs, hasEnded, jobs, jobsOf } from './jobs/job-record.ts';
import { planRuns, runsOf } from './plans/plan-record.ts';
import { type Kind, listAll } from './records/kind.ts';
import { accesses, revocations, tokens } from './records/kinds.ts';
import { transact } from './records/transaction.ts';
import { prunedRecoveries, recoveries, recoveriesOf } from './recovery/recovery-record.ts';
import type { StateStore } from './state/state-store.ts';

/** Milliseconds between rounds. */
const ROUND = 10 * 60_000;
/** Tokens that can be used no more are shown for this long. */
const TOKENS_SHOWN = 30 * 24 * 3_600_000;
/** How late clocks of process servers may be: what has ended here may count there still, and renews itself for a while (certificates.grace). */
const CLOCKS_LATE = 24 * 3_600_000;
/** Deleted in one commit. */
const BATCH = 200;
/** Test failovers, failovers and runs of plans that have ended, kept as history. */
const RECOVERIES_KEPT = 2000;
/** Of those that are not kept, so many are still known to be over: what a server says of one that is older would be listed again. */
const PRUNED_KEPT = 10 * RECOVERIES_KEPT;

/** Removes what has no meaning any more: revocations of certificates that have ended anyway, old tokens, ended sign-ins and jobs beyond a number. */
export const cleanUp = async (
  store: StateStore,
  jobsKept: number,
  grace: number,
  now = Date.now(),
  recoveriesKept = RECOVERIES_KEPT,
  prunedKept = PRUNED_KEPT,
): Promise<number> => {
  const gone: (readonly [Kind<unknown>, string])[] = [];
  for await (const { id, value } of listAll(store, revocations))
    if (value.notAfter + grace + CLOCKS_LATE < now) gone.push([revocations, id]);
  for await (const { id, value } of listAll(store, tokens)) if (value.expires + TOKENS_SHOWN < now) gone.push([tokens, id]);
  for await (const { id, value } of listAll(store, accesses)) if ((value.expires ?? now) < now) gone.push([accesses, id]);
  for await (const { id, value } of listAll(store, silences)) if (value.silencedUntil < now) gone.push([silences, id]);
  let ended = 0;
  // The newest come first.
  for await (const { id, value } of listAll(store, jobs)) {
    if (!hasEnded(value)) continue;
    ended += 1;
    if (ended > jobsKept) gone.push([jobs, id], [jobsOf, `${value.machineId}/${id}`], [endedJobs, `${value.state}/${id}`]);
  }
  const pruned = new Map<string, string>();
  let over = 0;
  for await (const { id, value } of listAll(store, recoveries)) {
    // What was forgotten says still that its source is fenced.
    if (value.state !== 'ended' && !(value.state === 'forgotten' && value.fenceReleased !== undefined)) continue;
    over += 1;
    if (over <= recoveriesKept) continue;
    gone.push([recoveries, id], [recoveriesOf, `${value.machineId}/${id}`]);
    // What is its owner's is nobody's to remove.
    if (value.state === 'ended') pruned.set(id, value.machineName);
  }
  let known = pruned.size;
  // The newest come first.
  for await (const { id } of listAll(store, prunedRecoveries)) {
    known += 1;
    if (known > prunedKept) gone.push([prunedRecoveries, id]);
  }
  let runs = 0;
  for await (const { id, value } of listAll(store, planRuns)) {
    if (value.ended === 0) continue;
    runs += 1;
    if (runs > recoveriesKept) gone.push([planRuns, id], [runsOf, `${value.planId}/${id}`]);
  }
  /** Jobs that somebody put back to work since they were looked at. */
  const retried = new Set<string>();
  for (let from = 0; from < gone.length; from += BATCH)
    await transact(store, async (transaction) => {
      for (const [kind, id] of gone.slice(from, from + BATCH)) {
        const job = kind === jobs ? (await transaction.read(jobs, id))?.value : undefined;
        if (job !== undefined && !hasEnded(job)) retried.add(id);
        if (retried.has(id) || (kind === jobsOf && retried.has(id.slice(id.lastIndexOf('/') + 1)))) continue;
        transaction.delete(kind, id);
        const machineName = kind === recoveries ? pruned.get(id) : undefined;
        if (machineName !== undefined) transaction.put(prunedRecoveries, id, { machineName });
      }
    });
  return gone.length;
};

/** Cleans up now and then until `stopping` aborts. */
export const keepHouse = async (store: StateStore, jobsKept: number, grace: number, log: Log, stopping: AbortSignal): Promise<void> => {
  while (!stopping.aborted) {
    try {
      const removed = await cleanUp(store, jobsKept, grace);
      if (removed > 0) log.debug('Records without meaning were removed', { removed });
    } catch (error) {
      log.warn('Records without meaning could not be removed; it is tried again', { error });
    }
    await sleep(ROUND, undefined, { signal: stopping }).catch(() => undefined);
  }
};
