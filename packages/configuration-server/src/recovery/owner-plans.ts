import { HoldfastError } from '@holdfast/errors';
import { idText, type RecoveryReport, RecoveryStage } from '@holdfast/protocol';
import type { JobPlan } from '../jobs/job-plan.ts';
import { everySecond, serverName } from '../jobs/steps.ts';
import { until } from '../jobs/until.ts';
import { find } from '../records/kind.ts';
import { servers as serverKind } from '../records/kinds.ts';
import { removeCommitted } from './committed.ts';
import { errorOfMember } from './questions.ts';
import { changeRecovery, recoveryIdOf, recoveryOf } from './recovery-commits.ts';
import { type RecoveryRecord, wantedRecoveries } from './recovery-record.ts';
import { type RecoveryParts, reachStep } from './steps.ts';

const removed = ({ machineName }: RecoveryRecord): HoldfastError =>
  new HoldfastError('RESOURCE_NOT_FOUND', {
    thing: `process server of the recovered machine ${machineName}`,
    why: 'it was removed: nobody can reach the machine from here',
    remedy: 'enrol that server again, with its directory of recoveries, or switch the machine on by hand',
  });

/** Whoever wants it on asks again: a job that tried that for ever would hold the machine's turn. */
const stayedOff = ({ machineName }: RecoveryRecord, { startProblemCode, startProblem, startRemedy }: RecoveryReport): HoldfastError => {
  const thing = `start of the recovered machine ${machineName}`;
  const told = errorOfMember(thing, startProblemCode, startProblem, startRemedy);
  if (startProblemCode !== '' && !told.retryable) return told;
  return new HoldfastError('MACHINE_START_FAILED', { thing, why: told.why, remedy: `${told.remedy}; then start it again` });
};

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
            if (report?.stage === RecoveryStage.FAILED)
              throw errorOfMember(`machine ${value.machineName}`, report.problemCode, report.problem, report.remedy);
            if ((await find(store, serverKind, value.serverId)) === undefined) throw removed(value);
            const why = report === undefined || report.problem === '' ? '' : `; ${report.problem.slice(0, 500)}`;
            progress({
              detail: `${known?.connected === true ? `${name} is told` : `waiting for process server ${name}`}${why}`,
              fraction: -1,
            });
            return undefined;
          }
          if (report.startProblem === '') return true;
          throw stayedOff(value, report);
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
export const createForgetPlan = (parts: RecoveryParts): JobPlan => {
  const leave = reachStep(parts, 'leave the machine to its owner', 'forgotten', async (transaction, job) => {
    const id = recoveryIdOf(job);
    const { machineName, machineId, serverId } = await changeRecovery(transaction, job, { state: 'forgotten', goal: 'forgotten' });
    transaction.delete(wantedRecoveries, `${serverId}/${id}`);
    await removeCommitted(transaction, machineId, id);
    const place = job.input?.['console'] ?? '';
    const text = `The recovered machine ${machineName} is its owner's: nothing looks after it any more, and nothing of it was removed`;
    transaction.event({ severity: 'warning', code: 'recovery-forgotten', text, subject: machineId, actor: job.startedBy });
    return `it stays as it is${place === '' ? '' : `; its disks lie beside its console, ${place}`}`;
  });
  return {
    steps: [
      {
        ...leave,
        async wait(job, waiting) {
          const { serverId } = (await recoveryOf(parts.store, job)).value;
          // One that was removed looks after nothing, and is told so should it come back.
          if ((await find(parts.store, serverKind, serverId)) !== undefined) await leave.wait?.(job, waiting);
        },
      },
    ],
    cancelled: async (transaction, job) => void (await changeRecovery(transaction, job, { goal: 'independent' })),
    failed: async (transaction, job) => void (await changeRecovery(transaction, job, { goal: 'independent' })),
  };
};
