import type { JobPlan } from '../jobs/job-plan.ts';
import type { JobRecord } from '../jobs/job-record.ts';
import { startJob } from '../jobs/start-job.ts';
import type { Transaction } from '../records/transaction.ts';
import { changeRecovery, endingAnew, endRecovery, recoveryIdOf } from './recovery-commits.ts';
import { recoveries } from './recovery-record.ts';
import { choosePointStep, keepPoint, pointWords, type RecoveryParts, reachStep, unlessTakenUp } from './steps.ts';

/** Removes what a test failover has made; in the commit that ends its job, or when people say so. */
const startCleanUp = (
  transaction: Transaction,
  plan: Pick<JobPlan, 'steps'>,
  job: Pick<JobRecord, 'machineId' | 'protectionId' | 'startedBy' | 'input'>,
): ReturnType<typeof startJob> => startJob(transaction, plan, { ...job, kind: 'clean-up-test', direction: 'forward' });

/** Ends a test whose start did not succeed: at once when nothing was made, else by a job. */
const takeBack = async (transaction: Transaction, plan: Pick<JobPlan, 'steps'>, job: JobRecord, notes: string): Promise<void> => {
  const stored = await transaction.read(recoveries, recoveryIdOf(job));
  if (stored === undefined) return;
  if (stored.value.goal === undefined) {
    await endRecovery(transaction, job, { notes });
    return;
  }
  await changeRecovery(transaction, job, { state: 'ending', notes });
  startCleanUp(transaction, plan, job);
};

/** Removes a test failover with all it made. */
export const createCleanUpPlan = (parts: RecoveryParts): JobPlan => ({
  steps: [
    reachStep(parts, 'remove the machine', 'released', async (transaction, job, { value }) => {
      const { machineName, machineId } = await endRecovery(transaction, job);
      transaction.event({
        severity: 'information',
        code: 'test-cleaned-up',
        text: `The test failover of ${machineName} is gone with all it made${value.notes === '' ? '' : `: ${value.notes}`}`,
        subject: machineId,
        actor: job.startedBy,
      });
      return 'nothing is left of it';
    }),
  ],
  // What was begun is brought to its end by the next one.
  cancelled: async (transaction, job) => void (await changeRecovery(transaction, job, { state: 'failed' })),
  failed: async (transaction, job) => void (await changeRecovery(transaction, job, { state: 'failed' })),
  async retried(transaction, job, failed) {
    await changeRecovery(transaction, job, endingAnew('released'));
    return failed;
  },
});

/** Starts a machine isolated from everything. Replication goes on untouched. */
export const createTestPlan = (parts: RecoveryParts, cleanUp: JobPlan): JobPlan => ({
  steps: [
    unlessTakenUp(parts, choosePointStep(parts, keepPoint)),
    reachStep(parts, 'hold the point', 'held', async () => 'it is kept until the test is cleaned up'),
    reachStep(parts, 'start the machine', 'running', async (transaction, job, { value }) => {
      const { machineName, machineId, point, created } = value;
      const startMillis = Date.now() - created;
      await changeRecovery(transaction, job, { state: 'running', startMillis });
      transaction.event({
        severity: 'information',
        code: 'test-failover-started',
        text: `${machineName} runs as a test, from point ${pointWords(point!)}, ${(startMillis / 1000).toFixed(1)} s after it was ordered`,
        subject: machineId,
        actor: job.startedBy,
      });
      return 'it runs, isolated';
    }),
  ],
  cancelled: (transaction, job) => takeBack(transaction, cleanUp, job, 'cancelled before it ran'),
  failed: (transaction, job, error) => takeBack(transaction, cleanUp, job, `failed: ${error.message}`),
});
