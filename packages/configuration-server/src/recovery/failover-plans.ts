import { HoldfastError } from '@holdfast/errors';
import { idText, ProtectionState, RecoveryGoal, RecoveryStage } from '@holdfast/protocol';
import type { JobPlan } from '../jobs/job-plan.ts';
import type { JobRecord } from '../jobs/job-record.ts';
import { startJob } from '../jobs/start-job.ts';
import type { Stored } from '../records/kind.ts';
import { pointRequests } from '../records/point-requests.ts';
import { shutdownRequests } from '../records/shutdown-requests.ts';
import type { Transaction } from '../records/transaction.ts';
import { addCommitted } from './committed.ts';
import { pointWord } from './point-word.ts';
import { changeRecovery, endingAnew, endRecovery, NOT_HELD, newRun, recoveryIdOf, setState } from './recovery-commits.ts';
import { openRecoveries, type RecoveryRecord, recoveries } from './recovery-record.ts';
import { drainStep, powerOffStep, restStep, SOURCE_PATIENCE, type SourcePatience } from './source-steps.ts';
import { choosePointStep, keepPoint, pointWords, type RecoveryParts, reachStep, unlessTakenUp } from './steps.ts';

type Jobs = Pick<JobPlan, 'steps'>;

/** Puts the job that takes a failover back into a commit. */
const startCancel = (
  transaction: Transaction,
  plan: Jobs,
  job: Pick<JobRecord, 'machineId' | 'protectionId' | 'startedBy' | 'input'>,
): ReturnType<typeof startJob> =>
  startJob(transaction, plan, {
    kind: 'cancel-failover',
    machineId: job.machineId,
    protectionId: job.protectionId,
    startedBy: job.startedBy,
    input: { recovery: recoveryIdOf(job) },
    direction: 'forward',
  });

const forgetRequests = (transaction: Transaction, { machineId }: JobRecord): void => {
  transaction.delete(shutdownRequests, machineId);
  transaction.delete(pointRequests, machineId);
};

/** As if nothing had been; true when nothing was made or fenced yet. */
const undoneAtOnce = async (transaction: Transaction, job: JobRecord, notes: string): Promise<boolean> => {
  const stored = await transaction.read(recoveries, recoveryIdOf(job));
  // A source that rests stays at rest until the failover is taken back: what it wrote from now on would be lost without a word.
  if (stored !== undefined && stored.value.goal !== undefined) return false;
  forgetRequests(transaction, job);
  if (stored !== undefined) await endRecovery(transaction, job, { notes });
  await setState(transaction, job, ProtectionState.PROTECTED);
  return true;
};

/** The machine runs at the recovery site, and it is not committed. */
const runs = (parts: RecoveryParts, name: string) =>
  reachStep(parts, name, 'running', async (transaction, job, { value }) => {
    const { machineName, machineId, point, created, goal, commitCancelled, startMillis: before } = value;
    const startMillis = before === 0 ? Date.now() - created : before;
    await changeRecovery(transaction, job, { state: 'running', startMillis });
    // Its commit was ordered after the backup that this job is of: what is copied for good is no more to be cancelled.
    const isCommitted = goal === 'independent' && commitCancelled !== true;
    const detail = `it runs from point ${pointWords(point!)}${isCommitted ? '; its commit was ordered before this server was restored: commit it again' : ''}`;
    await setState(transaction, job, isCommitted ? ProtectionState.COMMITTING : ProtectionState.FAILED_OVER, detail);
    transaction.event({
      severity: 'warning',
      code: 'failed-over',
      text: `${machineName} is failed over and runs from point ${pointWords(point!)}; commit or cancel it, or change the point`,
      subject: machineId,
      actor: job.startedBy,
    });
    return 'it runs';
  });

/** Brings a failover that stands still with what is made of it into sight of people. */
const standsStill = async (transaction: Transaction, job: JobRecord, error: HoldfastError, state: ProtectionState): Promise<void> => {
  await changeRecovery(transaction, job, { state: 'failed' });
  await setState(transaction, job, state, error.message);
};

/** A failed start goes on with a run of its own, so that nothing of the failed one is in its way. */
const tryAgain = async (transaction: Transaction, job: JobRecord, failed: number, state: ProtectionState): Promise<number> => {
  const stored = await transaction.read(recoveries, recoveryIdOf(job));
  if (stored === undefined || stored.value.ended !== 0)
    throw new HoldfastError('JOB_ENDED', { thing: `job ${job.kind}`, why: 'it was taken back', remedy: 'order it anew' });
  await changeRecovery(transaction, job, { state: 'starting', ...newRun(stored.value), takenUp: false });
  await setState(transaction, job, state);
  return failed;
};

export const createFailoverPlan = (parts: RecoveryParts, cancel: Jobs, patience: SourcePatience = SOURCE_PATIENCE): JobPlan => ({
  steps: ({ input }) => [
    ...(input?.['shutdown'] === 'yes' ? [unlessTakenUp(parts, restStep(parts, patience))] : []),
    ...(pointWord(input?.['point'] ?? '').drains ? [unlessTakenUp(parts, drainStep(parts, patience))] : []),
    unlessTakenUp(parts, choosePointStep(parts, keepPoint)),
    reachStep(parts, 'hold the point', 'held', async () => 'it is kept until the failover is committed or cancelled'),
    reachStep(parts, 'fence the source', 'fenced', async () => 'its log takes nothing more of the source'),
    ...(input?.['shutdown'] === 'yes' ? [powerOffStep(parts, patience)] : []),
    runs(parts, 'start the machine'),
  ],
  async cancelled(transaction, job) {
    if (await undoneAtOnce(transaction, job, 'cancelled before it began')) return;
    await changeRecovery(transaction, job, { state: 'ending' });
    await setState(transaction, job, ProtectionState.CANCELLING);
    startCancel(transaction, cancel, job);
  },
  async failed(transaction, job, error) {
    if (await undoneAtOnce(transaction, job, `failed: ${error.message}`)) return;
    await standsStill(transaction, job, error, ProtectionState.FAILING_OVER);
  },
  async retried(transaction, job, failed) {
    const stored = await transaction.read(recoveries, recoveryIdOf(job));
    // As long as it was not silenced, a source that came up again has sent what the chosen point has not.
    const from = job.input?.['shutdown'] === 'yes' && stored?.value.goal === 'held' ? 0 : failed;
    return tryAgain(transaction, job, from, ProtectionState.FAILING_OVER);
  },
});

/**
 * Whether a change of the point took away what ran: before the new one is chosen only where another process server goes on, for which nothing runs yet.
 * Behind that the failover stands still until people decide.
 */
const hasChanged = ({ steps, input }: JobRecord): boolean => steps[0]?.state === 'succeeded' || input?.['replaced'] !== undefined;

/** Another point takes the place of the one that runs. */
export const createChangePointPlan = (parts: RecoveryParts): JobPlan => ({
  steps: [
    unlessTakenUp(
      parts,
      choosePointStep(parts, async (transaction, job, point) => {
        const before = await transaction.read(recoveries, recoveryIdOf(job));
        await changeRecovery(transaction, job, { point, state: 'starting', goal: 'running', ...newRun(before?.value) });
        await setState(transaction, job, ProtectionState.FAILING_OVER, `it changes to point ${pointWords(point)}`);
      }),
    ),
    runs(parts, 'start the machine'),
  ],
  cancelled: async (transaction, job) => {
    if (!hasChanged(job)) return;
    await changeRecovery(transaction, job, { state: 'failed' });
    await setState(
      transaction,
      job,
      ProtectionState.FAILING_OVER,
      'a change of its point was cancelled: nothing runs until another one is chosen',
    );
  },
  failed: async (transaction, job, error) => {
    if (hasChanged(job)) await standsStill(transaction, job, error, ProtectionState.FAILING_OVER);
  },
  retried: (transaction, job, failed) => tryAgain(transaction, job, failed, ProtectionState.FAILING_OVER),
});

/** As if it had not been: the machine goes, the source may go on. */
export const createCancelPlan = (parts: RecoveryParts): JobPlan => ({
  steps: [
    reachStep(parts, 'remove the machine', 'discarded', async () => 'it is gone with what it wrote'),
    reachStep(parts, 'release the source', 'released', async (transaction, job) => {
      const { machineName, machineId } = await endRecovery(transaction, job, { notes: 'cancelled' });
      forgetRequests(transaction, job);
      await setState(transaction, job, ProtectionState.PROTECTED);
      transaction.event({
        severity: 'information',
        code: 'failover-cancelled',
        text: `The failover of ${machineName} is cancelled; its source goes on where it was`,
        subject: machineId,
        actor: job.startedBy,
      });
      return 'it sends again what it has tracked meanwhile';
    }),
  ],
  cancelled: async (transaction, job) => void (await changeRecovery(transaction, job, { state: 'failed' })),
  failed: (transaction, job, error) => standsStill(transaction, job, error, ProtectionState.CANCELLING),
  async retried(transaction, job, failed) {
    await changeRecovery(transaction, job, endingAnew(failed === 0 ? 'discarded' : 'released'));
    await setState(transaction, job, ProtectionState.CANCELLING);
    return failed;
  },
});

/** Its process server says that it needs the vault no more. */
const isIndependent = (servers: RecoveryParts['servers'], { id, value }: Pick<Stored<RecoveryRecord>, 'id' | 'value'>): boolean =>
  servers
    .get(value.serverId)
    ?.report?.recoveries.some(
      (one) =>
        idText(one.id) === id &&
        idText(one.runId) === value.runId &&
        one.goal === RecoveryGoal.INDEPENDENT &&
        one.stage === RecoveryStage.REACHED,
    ) === true;

/** From now on the recovered machine is the machine. */
export const createCommitPlan = (parts: RecoveryParts): JobPlan => ({
  steps: [
    reachStep(parts, 'copy the disks', 'independent', async (transaction, job) => {
      const { machineName, machineId } = await changeRecovery(transaction, job, { state: 'committed', ended: Date.now() });
      transaction.delete(openRecoveries, `${machineId}/failover`);
      await addCommitted(transaction, machineId, recoveryIdOf(job));
      forgetRequests(transaction, job);
      await setState(transaction, job, ProtectionState.COMMITTED, 'its source is fenced for good');
      transaction.event({
        severity: 'information',
        code: 'failover-committed',
        text: `The failover of ${machineName} is committed: it needs the vault no more, and its source stays fenced`,
        subject: machineId,
        actor: job.startedBy,
      });
      return 'the machine needs the vault no more';
    }),
  ],
  async cancelled(transaction, job) {
    const before = await transaction.read(recoveries, recoveryIdOf(job));
    // What was copied, and let go of, is not to be held again: its point may be thinned by now.
    const isCopied = before !== undefined && isIndependent(parts.servers, before);
    await changeRecovery(transaction, job, { state: 'running', commitCancelled: true, ...(!isCopied && { goal: 'running' }) });
    const detail = isCopied ? NOT_HELD : '';
    await setState(transaction, job, ProtectionState.FAILED_OVER, detail);
  },
  // The machine runs on.
  failed: (transaction, job, error) => setState(transaction, job, ProtectionState.COMMITTING, error.message),
  async retried(transaction, job, failed) {
    await setState(transaction, job, ProtectionState.COMMITTING);
    return failed;
  },
});
