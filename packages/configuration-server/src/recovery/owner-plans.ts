import { idText } from '@holdfast/protocol';
import type { JobPlan } from '../jobs/job-plan.ts';
import { everySecond, serverName } from '../jobs/steps.ts';
import { until } from '../jobs/until.ts';
import { errorOfMember } from './questions.ts';
import { changeRecovery, recoveryIdOf, recoveryOf } from './recovery-commits.ts';
import { committedRecoveries, wantedRecoveries } from './recovery-record.ts';
import { type RecoveryParts, reachStep } from './steps.ts';

/** Switches on a machine that was recovered, and that its own system, or somebody, switched off. */
export const createStartPlan = ({ store, servers }: RecoveryParts): JobPlan => ({
  steps: [
    {
      name: 'switch the machine on',
      async wait(job, { signal, progress }) {
        const { id, value } = await recoveryOf(store, job);
        const look = async (): Promise<true | undefined> => {
          const known = servers.get(value.serverId);
          const name = await serverName(store, value.serverId);
          const report = known?.connected === true ? known.report?.recoveries.find((one) => idText(one.id) === id) : undefined;
          if (report === undefined || report.startRequest.length === 0 || idText(report.startRequest) !== value.startRequest) {
            const why = report === undefined || report.problem === '' ? '' : `; ${report.problem.slice(0, 500)}`;
            progress({
              detail: `${known?.connected === true ? `${name} is told` : `waiting for process server ${name}`}${why}`,
              fraction: -1,
            });
            return undefined;
          }
          if (report.startProblem === '') return true;
          throw errorOfMember(`machine ${value.machineName}`, 'FABRIC_FAILED', report.startProblem, 'see `holdfast recovery show`');
        };
        await until(look, [everySecond, (listener) => servers.subscribe(value.serverId, listener)], signal);
      },
      async apply(transaction, job) {
        const { machineName, machineId } = await changeRecovery(transaction, job, { startRequest: '' });
        const text = `${machineName} was switched on again at the recovery site`;
        transaction.event({ severity: 'information', code: 'recovered-machine-started', text, subject: machineId, actor: job.startedBy });
        return 'it is on';
      },
    },
  ],
  cancelled: async (transaction, job) => void (await changeRecovery(transaction, job, { startRequest: '' })),
  failed: async (transaction, job) => void (await changeRecovery(transaction, job, { startRequest: '' })),
});

/** A machine that was committed is its owner's: it stays as it is, and nobody looks after it any more. That its source is fenced stays known. */
export const createForgetPlan = (parts: RecoveryParts): JobPlan => ({
  steps: [
    reachStep(parts, 'leave the machine to its owner', 'forgotten', async (transaction, job) => {
      const id = recoveryIdOf(job);
      const { machineName, machineId, serverId } = await changeRecovery(transaction, job, { state: 'forgotten' });
      transaction.delete(wantedRecoveries, `${serverId}/${id}`);
      const committed = await transaction.read(committedRecoveries, machineId);
      if (committed?.value.recovery === id) transaction.delete(committedRecoveries, machineId);
      const place = job.input?.['console'] ?? '';
      const text = `The recovered machine ${machineName} is its owner's: nothing looks after it any more, and nothing of it was removed`;
      transaction.event({ severity: 'warning', code: 'recovery-forgotten', text, subject: machineId, actor: job.startedBy });
      return `it stays as it is${place === '' ? '' : `; its disks lie beside its console, ${place}`}`;
    }),
  ],
  cancelled: async (transaction, job) => void (await changeRecovery(transaction, job, { goal: 'independent' })),
  failed: async (transaction, job) => void (await changeRecovery(transaction, job, { goal: 'independent' })),
});
