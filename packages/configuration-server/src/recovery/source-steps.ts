import { HoldfastError } from '@holdfast/errors';
import { type AgentReport, idText, newId, PointKind, type ShutdownAnswer } from '@holdfast/protocol';
import type { JobStep, Waiting } from '../jobs/job-plan.ts';
import type { JobRecord } from '../jobs/job-record.ts';
import { everySecond, protectionOf } from '../jobs/steps.ts';
import { until } from '../jobs/until.ts';
import { find } from '../records/kind.ts';
import { pointRequests } from '../records/point-requests.ts';
import { shutdownRequests } from '../records/shutdown-requests.ts';
import { transact } from '../records/transaction.ts';
import { changeRecovery, recoveryOf } from './recovery-commits.ts';
import type { RecoveryParts } from './steps.ts';

/** Milliseconds that what is on its way may take, and that a source may take to come to rest. */
export interface SourcePatience {
  readonly drain: number;
  readonly rest: number;
}
export const SOURCE_PATIENCE: SourcePatience = { drain: 5 * 60_000, rest: 10 * 60_000 };

const isForced = ({ input }: JobRecord): boolean => input?.['force'] === 'yes';

const stuck = (name: string, why: string): HoldfastError =>
  new HoldfastError('SOURCE_UNREACHABLE', {
    thing: `machine ${name}`,
    why,
    remedy: 'fail over to latest-processed, which is what the vault has; or force it: what did not arrive is lost then',
  });

/** Waits until `look` gives something; undefined when that took too long. */
const within = async <T>(
  look: () => Promise<T | undefined> | T | undefined,
  subscriptions: Parameters<typeof until>[1],
  signal: AbortSignal,
  patience: number,
): Promise<T | undefined> => until(look, [...subscriptions, everySecond], AbortSignal.any([signal, AbortSignal.timeout(patience)]));

/** Lets arrive in the vault what is on its way there: a point is made now, where the machine can still be asked, and awaited. */
export const drainStep = ({ store, agents, servers }: RecoveryParts, patience: SourcePatience): JobStep => {
  const askPoint = (job: JobRecord): Promise<unknown> =>
    transact(store, async (transaction) => {
      if ((await transaction.read(pointRequests, job.machineId)) === undefined)
        transaction.put(pointRequests, job.machineId, { requestId: newId(), kind: PointKind.CRASH });
    });
  const drain = async (job: JobRecord, { signal, progress }: Waiting): Promise<string | undefined> => {
    const { value: recovery } = await recoveryOf(store, job);
    if ((recovery.lastPoint ?? '') !== '') return undefined;
    const { processServerId } = (await protectionOf(store, job)).value;
    const isAsked = agents.get(job.machineId)?.connected === true;
    if (isAsked) await askPoint(job);
    const request = isAsked ? await find(store, pointRequests, job.machineId) : undefined;
    const look = (): string | undefined => {
      const known = agents.get(job.machineId);
      if (request !== undefined && known?.connected === true) {
        progress({ detail: 'the source makes a last point, and it goes to the vault', fraction: -1 });
        const answer = known.report?.pointAnswer;
        const isOurs = answer !== undefined && idText(answer.requestId) === request.value.requestId;
        if (!isOurs) return undefined;
        if (answer.durable) return 'a last point was made and is in the vault';
        return answer.kind === PointKind.UNSPECIFIED && answer.problemCode !== ''
          ? `no last point could be made: ${answer.problem}`
          : undefined;
      }
      const server = servers.get(processServerId);
      const pending = server?.report?.machines.find(({ machineId }) => idText(machineId) === job.machineId)?.pendingBytes;
      if (server?.connected === true && pending === 0n)
        return 'the source is not connected; all that its process server has is in the vault';
      progress({ detail: 'the source is not connected; its process server sends to the vault what it has', fraction: -1 });
      return undefined;
    };
    const watched = [
      (listener: () => void) => agents.subscribe(job.machineId, listener),
      (listener: () => void) => servers.subscribe(processServerId, listener),
    ];
    const done = await within(look, watched, signal, isForced(job) ? Math.min(patience.drain, 30_000) : patience.drain);
    if (done !== undefined || signal.aborted) return done;
    if (isForced(job)) return 'not all of what was on its way arrived; it was forced';
    throw stuck(recovery.machineName, 'what is on its way does not arrive in the vault');
  };
  return {
    name: 'let arrive what is on its way',
    async wait(job, waiting) {
      const detail = await drain(job, waiting);
      if (detail !== undefined) waiting.progress({ detail, fraction: 1 });
    },
    async apply(transaction, job) {
      transaction.delete(pointRequests, job.machineId);
      return '';
    },
  };
};

const answerTo = (report: AgentReport | undefined, requestId: string): ShutdownAnswer | undefined => {
  const answer = report?.shutdownAnswer;
  return answer !== undefined && idText(answer.requestId) === requestId ? answer : undefined;
};

/** Brings the source to rest: nothing is written there any more, and its last point is in the vault. */
export const restStep = ({ store, agents }: RecoveryParts, patience: SourcePatience): JobStep => {
  // Of what was waited for last: the commit that takes it up may be tried again, and finds it still.
  const rested = new Map<string, string>();
  return {
    name: 'bring the source to rest',
    async wait(job, { signal, progress }) {
      rested.delete(job.machineId);
      const { value: recovery } = await recoveryOf(store, job);
      await transact(store, async (transaction) => {
        if ((await transaction.read(shutdownRequests, job.machineId)) === undefined)
          transaction.put(shutdownRequests, job.machineId, { requestId: newId(), powerOff: false });
      });
      const { requestId } = (await find(store, shutdownRequests, job.machineId))!.value;
      const look = (): ShutdownAnswer | undefined => {
        const known = agents.get(job.machineId);
        progress({
          detail: known?.connected === true ? 'the source comes to rest' : 'the source is not connected: it is told when it comes back',
          fraction: -1,
        });
        const answer = answerTo(known?.report, requestId);
        return answer !== undefined && (answer.atRest || answer.problemCode !== '') ? answer : undefined;
      };
      const watched = [(listener: () => void) => agents.subscribe(job.machineId, listener)];
      const answer = await within(look, watched, signal, isForced(job) ? Math.min(patience.rest, 60_000) : patience.rest);
      if (signal.aborted) return;
      if (answer?.atRest === true) {
        rested.set(job.machineId, idText(answer.pointId));
        progress({ detail: 'it is at rest, and its last point is in the vault', fraction: 1 });
        return;
      }
      const why = answer === undefined ? 'it did not come to rest in time' : `it could not come to rest: ${answer.problem.slice(0, 500)}`;
      if (!isForced(job)) throw stuck(recovery.machineName, why);
      progress({ detail: `${why}; it was forced`, fraction: 1 });
    },
    async apply(transaction, job) {
      const point = rested.get(job.machineId);
      if (point === undefined) {
        await changeRecovery(transaction, job, { sourceShutdown: 'it could not be shut down; the failover was forced' });
        transaction.delete(shutdownRequests, job.machineId);
        return '';
      }
      await changeRecovery(transaction, job, { lastPoint: point, sourceShutdown: 'it is at rest' });
      return '';
    },
  };
};

/** Powers the source off, once it is at rest and fenced. */
export const powerOffStep = ({ store, agents }: RecoveryParts, patience: SourcePatience): JobStep => {
  const outcomes = new Map<string, string>();
  return {
    name: 'power off the source',
    async wait(job, { signal, progress }) {
      outcomes.delete(job.machineId);
      const request = await find(store, shutdownRequests, job.machineId);
      if (request === undefined) return;
      await transact(store, async (transaction) => {
        const now = await transaction.read(shutdownRequests, job.machineId);
        if (now !== undefined && !now.value.powerOff) transaction.put(shutdownRequests, job.machineId, { ...now.value, powerOff: true });
      });
      progress({ detail: 'the source powers off', fraction: -1 });
      const look = (): string | undefined => {
        const known = agents.get(job.machineId);
        if (known?.connected !== true) return 'it is off: it is not connected any more';
        const answer = answerTo(known.report, request.value.requestId);
        if (answer?.poweringOff === true && answer.problemCode === '') return 'it powers off';
        return answer !== undefined && answer.problemCode !== ''
          ? `it is at rest, and could not power off: ${answer.problem.slice(0, 500)}`
          : undefined;
      };
      const watched = [(listener: () => void) => agents.subscribe(job.machineId, listener)];
      const outcome = await within(look, watched, signal, patience.rest);
      if (!signal.aborted) outcomes.set(job.machineId, outcome ?? 'it is at rest, and did not power off in time');
    },
    async apply(transaction, job) {
      const outcome = outcomes.get(job.machineId);
      transaction.delete(shutdownRequests, job.machineId);
      if (outcome === undefined) return 'it was not brought to rest';
      await changeRecovery(transaction, job, { sourceShutdown: outcome });
      return outcome;
    },
  };
};
