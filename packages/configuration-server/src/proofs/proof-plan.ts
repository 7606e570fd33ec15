import { HoldfastError } from '@holdfast/errors';
import { idText, newId, type ProofReport, type ProofSchedule, RecoveryStage } from '@holdfast/protocol';
import { completeTarget } from '../api/prerequisites.ts';
import type { JobPlan, JobStep } from '../jobs/job-plan.ts';
import { hasEnded, type JobRecord, jobs } from '../jobs/job-record.ts';
import { startJob } from '../jobs/start-job.ts';
import { everySecond, protectionOf, serverName } from '../jobs/steps.ts';
import { until } from '../jobs/until.ts';
import { find, type Stored } from '../records/kind.ts';
import { type MachineRecord, machines, servers as serverKind } from '../records/kinds.ts';
import type { Transaction } from '../records/transaction.ts';
import { chooseRecoveryServer } from '../recovery/choose-recovery-server.ts';
import { pointWord } from '../recovery/point-word.ts';
import { errorOfMember } from '../recovery/questions.ts';
import type { ChosenPoint } from '../recovery/recovery-record.ts';
import { chosenPoint, pointWords, type RecoveryParts } from '../recovery/steps.ts';
import { machineProofs, NO_PROOFS, type ProofSummary, proofOrders, proofProblem, scheduleJson, summaryOf } from './proof-record.ts';

const inputOf = ({ input }: Pick<JobRecord, 'input'>, name: 'proof' | 'point' | 'checks'): string => input?.[name] ?? '';

const nameOf = async (transaction: Pick<Transaction, 'read'>, { machineId }: JobRecord): Promise<string> =>
  (await transaction.read(machines, machineId))?.value.name ?? machineId;

/** Chooses the point and the process server, and tells that to prove it. */
const chooseStep = ({ store, questions, servers }: RecoveryParts): JobStep => {
  /** By machine, of what was asked last; asked again after a restart. */
  const found = new Map<string, { readonly point: ChosenPoint; readonly serverId: string }>();
  return {
    name: 'choose the point',
    async wait(job, { signal, progress }) {
      const { vault, processServerId: own, target } = (await protectionOf(store, job)).value;
      progress({ detail: 'the process server looks into the vault', fraction: -1 });
      const { choice } = pointWord(inputOf(job, 'point'));
      const about = { machineId: job.machineId, vault, server: own };
      const answer = await questions.ask({ ...about, question: { case: 'choose', value: { choice } } }, signal);
      const [point] = answer.points;
      if (point === undefined) throw errorOfMember(`machine ${job.machineId}`, 'POINT_NOT_FOUND', 'the answer names none', '');
      const { fabric } = completeTarget(target);
      const serverId = await chooseRecoveryServer(store, servers, { vault, fabric, wanted: '', own });
      found.set(job.machineId, { point: chosenPoint(point), serverId });
    },
    async apply(transaction, job) {
      const { point, serverId } = found.get(job.machineId)!;
      const { choice } = pointWord(inputOf(job, 'point'));
      const { vault, target } = (await protectionOf(store, job)).value;
      transaction.put(proofOrders, inputOf(job, 'proof'), {
        serverId,
        machineId: job.machineId,
        machineName: await nameOf(transaction, job),
        vault,
        point,
        ...(choice.case === 'newest' && { newestOf: choice.value }),
        target: completeTarget(target),
        checks: JSON.parse(inputOf(job, 'checks')),
      });
      return `${pointWords(point)}, by ${await serverName(store, serverId)}`;
    },
  };
};

/** Keeps what came of it, and tells it. */
const keep = async (transaction: Transaction, job: JobRecord, proof: ProofSummary): Promise<string> => {
  const before = (await transaction.read(machineProofs, job.machineId))?.value ?? NO_PROOFS;
  const { problem: _, ...rest } = before;
  const lastProven = proof.passed ? { lastProven: proof } : {};
  transaction.put(machineProofs, job.machineId, { ...rest, ...lastProven, last: proof });
  const name = await nameOf(transaction, job);
  const point = `${proof.point.slice(0, 8)} of ${new Date(proof.pointTime).toISOString()}`;
  const text = proof.passed
    ? `Point ${point} of ${name} is proven: it was started in isolation and came up (proof ${proof.number})`
    : `Point ${point} of ${name} is NOT proven (proof ${proof.number}): ${proofProblem(proof)}`;
  const about = { subject: job.machineId, actor: job.startedBy } as const;
  if (proof.passed) transaction.event({ ...about, severity: 'information', code: 'point-proven', text });
  else transaction.event({ ...about, severity: 'critical', code: 'proof-failed', text });
  return proof.passed ? 'it is proven' : `it is NOT proven: ${proofProblem(proof)}`;
};

/** Whatever it was, the schedule or somebody tries again: a job does not wait for that. */
const couldNotTry = (name: string, { problemCode, problem, remedy }: ProofReport): HoldfastError => {
  const { code, why, remedy: what } = errorOfMember(name, problemCode, problem, remedy);
  return new HoldfastError('PROOF_FAILED', { thing: `proof of ${name}`, why: `${code}: ${why}`, remedy: what });
};

const proveStep = ({ store, servers }: RecoveryParts): JobStep => {
  const proofs = new Map<string, ProofSummary>();
  return {
    name: 'start it in isolation and look',
    async wait(job, { signal, progress }) {
      const id = inputOf(job, 'proof');
      const order = await find(store, proofOrders, id);
      if (order === undefined)
        throw new HoldfastError('RESOURCE_NOT_FOUND', { thing: `proof ${id}`, why: 'it is gone', remedy: 'order it anew' });
      const { serverId, machineName } = order.value;
      const look = async (): Promise<ProofSummary | undefined> => {
        const known = servers.get(serverId);
        if (known?.connected !== true) {
          if ((await find(store, serverKind, serverId)) === undefined)
            throw new HoldfastError('RESOURCE_NOT_FOUND', {
              thing: `proof of ${machineName}`,
              why: 'its process server was removed',
              remedy: 'order it anew',
            });
          progress({ detail: `waiting for process server ${await serverName(store, serverId)}, which is not connected`, fraction: -1 });
          return undefined;
        }
        const report = known.report?.proofs.find((one) => idText(one.id) === id);
        if (report?.stage === RecoveryStage.FAILED) throw couldNotTry(machineName, report);
        if (report?.stage === RecoveryStage.REACHED && report.proof !== undefined) return summaryOf(report.proof);
        progress({ detail: report?.detail.slice(0, 500) ?? 'the process server is told', fraction: -1 });
        return undefined;
      };
      const proof = await until(look, [everySecond, (listener) => servers.subscribe(serverId, listener)], signal);
      if (proof !== undefined) proofs.set(id, proof);
    },
    async apply(transaction, job) {
      const id = inputOf(job, 'proof');
      transaction.delete(proofOrders, id);
      return keep(transaction, job, proofs.get(id)!);
    },
  };
};

/** Proves a point. It takes no turn of its machine: whatever else is to be done with that does not wait for it. */
export const createProofPlan = (parts: RecoveryParts): JobPlan => ({
  steps: [chooseStep(parts), proveStep(parts)],
  cancelled: async (transaction, job) => transaction.delete(proofOrders, inputOf(job, 'proof')),
  async failed(transaction, job, { code, message }) {
    transaction.delete(proofOrders, inputOf(job, 'proof'));
    if ((await transaction.read(machines, job.machineId)) === undefined) return;
    const before = (await transaction.read(machineProofs, job.machineId))?.value ?? NO_PROOFS;
    const text = message.slice(0, 500);
    transaction.put(machineProofs, job.machineId, { ...before, problem: { code, text, at: Date.now() } });
    const about = { severity: 'warning', code: 'proof-failed', subject: job.machineId, actor: job.startedBy } as const;
    transaction.event({ ...about, text: `No point of ${await nameOf(transaction, job)} could be tried: ${text}` });
  },
});

export interface ProofStart {
  readonly machine: Pick<Stored<MachineRecord>, 'id' | 'value'>;
  readonly actor: string;
  /** As people said it. */
  readonly point: string;
  readonly checks: ProofSchedule | undefined;
  /** By the schedule. */
  readonly scheduled?: boolean;
}

/** Begins one in a commit. Errors: JOB_RUNNING while another one of the machine is at work. */
export const startProof = async (
  transaction: Transaction,
  plan: Pick<JobPlan, 'steps'>,
  { machine: { id, value }, actor, point, checks, scheduled = false }: ProofStart,
): Promise<ReturnType<typeof startJob>> => {
  const before = (await transaction.read(machineProofs, id))?.value ?? NO_PROOFS;
  const running = before.job === '' ? undefined : await transaction.read(jobs, before.job);
  if (running !== undefined && !hasEnded(running.value))
    throw new HoldfastError('JOB_RUNNING', {
      thing: `machine ${value.name}`,
      why: `job ${running.id} proves a point of it`,
      remedy: `wait for it, or cancel it with \`holdfast job cancel ${running.id}\``,
    });
  const input = { proof: newId(), point, checks: JSON.stringify(scheduleJson(checks)) };
  const job = startJob(transaction, plan, {
    kind: 'proof',
    machineId: id,
    protectionId: value.protectionId,
    startedBy: actor,
    input,
    takesTurn: false,
  });
  transaction.put(machineProofs, id, { ...before, job: job.id, ...(scheduled ? { attempted: Date.now() } : {}) });
  return job;
};
