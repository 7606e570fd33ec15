import { HoldfastError } from '@holdfast/errors';
import { type AgentReport, idText, newId, type PointAnswer, PointKind } from '@holdfast/protocol';
import { find } from '../records/kind.ts';
import { machines } from '../records/kinds.ts';
import { pointRequests } from '../records/point-requests.ts';
import type { Transaction } from '../records/transaction.ts';
import type { JobPlan } from './job-plan.ts';
import type { JobRecord } from './job-record.ts';
import type { PlanParts } from './protect-plan.ts';
import { until } from './until.ts';

/** The kinds of points, as the input of a job names them. */
export const POINT_KINDS = [
  [PointKind.CRASH, 'crash'],
  [PointKind.FILESYSTEM, 'filesystem'],
  [PointKind.APPLICATION, 'application'],
] as const;

const KIND_WORDS: Readonly<Record<PointKind, string>> = {
  [PointKind.UNSPECIFIED]: 'no',
  [PointKind.CRASH]: 'a crash-consistent',
  [PointKind.FILESYSTEM]: 'a filesystem-consistent',
  [PointKind.APPLICATION]: 'an application-consistent',
};

/** What the agent says about this request, once nothing more will come of it. */
const finalAnswer = (report: AgentReport | undefined, requestId: string): PointAnswer | undefined => {
  const answer = report?.pointAnswer;
  if (answer === undefined || idText(answer.requestId) !== requestId) return undefined;
  const isNone = answer.kind === PointKind.UNSPECIFIED && answer.problemCode !== '';
  return answer.durable || isNone ? answer : undefined;
};

const forgetRequest = async (transaction: Transaction, { machineId }: JobRecord): Promise<void> => {
  transaction.delete(pointRequests, machineId);
};

/** Asks a machine for a recovery point and waits until it is in the vault. */
export const createPointPlan = ({ store, agents }: Pick<PlanParts, 'store' | 'agents'>): JobPlan => ({
  steps: [
    {
      name: 'make the point',
      async wait(job, { signal, progress }) {
        const request = await find(store, pointRequests, job.machineId);
        if (request === undefined) return;
        const { requestId, kind } = request.value;
        const look = (): PointAnswer | undefined => {
          const known = agents.get(job.machineId);
          const isMade = known?.report?.pointAnswer?.kind ?? PointKind.UNSPECIFIED;
          const waiting = isMade === PointKind.UNSPECIFIED ? 'waiting for the machine to make it' : 'made; on its way to the vault';
          progress({
            detail: known?.connected === true ? waiting : 'the machine is not connected: it is asked when it comes back',
            fraction: -1,
          });
          return finalAnswer(known?.report, requestId);
        };
        const answer = await until(look, [(listener) => agents.subscribe(job.machineId, listener)], signal);
        if (answer === undefined) return;
        progress({ detail: `${KIND_WORDS[answer.kind] ?? 'a'} point is in the vault`, fraction: 1 });
        if (answer.kind >= kind) return;
        throw new HoldfastError('POINT_NOT_CONSISTENT', {
          thing: 'point',
          why: `${KIND_WORDS[answer.kind] ?? 'another'} point was made instead of ${KIND_WORDS[kind]} one: ${answer.problem.slice(0, 1000)}`,
          remedy: 'mend what is named, then ask again',
        });
      },
      async apply(transaction, job) {
        await forgetRequest(transaction, job);
        return 'it is in the vault';
      },
    },
  ],
  cancelled: forgetRequest,
  failed: forgetRequest,
  async retried(transaction, { machineId, protectionId, input }, failed) {
    const machine = await transaction.read(machines, machineId);
    if (machine?.value.protectionId !== protectionId)
      throw new HoldfastError('MACHINE_NOT_PROTECTED', { thing: machineId, why: 'its protection is gone', remedy: 'protect it again' });
    const kind = POINT_KINDS.find(([, word]) => word === input?.['point'])?.[0] ?? PointKind.CRASH;
    transaction.put(pointRequests, machineId, { requestId: newId(), kind });
    return failed;
  },
});
