import { HoldfastError } from '@holdfast/errors';
import { idBytes, newId, PointKind } from '@holdfast/protocol';
import type { JobStep } from '../jobs/job-plan.ts';
import type { JobRecord } from '../jobs/job-record.ts';
import { find } from '../records/kind.ts';
import { shutdownRequests } from '../records/shutdown-requests.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import type { StateStore } from '../state/state-store.ts';
import { type RecoveryRecord, recoveries } from './recovery-record.ts';
import { powerOffStep, restStep, SOURCE_PATIENCE } from './source-steps.ts';
import { choosePointStep, keepPoint, type RecoveryParts } from './steps.ts';

const LIMITS = { events: 100, audit: 100, changes: 100 };
const [machineId, recovery, requestId, pointId] = Array.from({ length: 4 }, newId) as [string, string, string, string];
const job = { machineId, input: { recovery, point: 'latest-processed' } } as unknown as JobRecord;

describe('steps of a failover, when somebody else commits at the same moment', () => {
  it('keep the point that was chosen, know that the source rests, and power it off', async () => {
    const memory = createMemoryStore(LIMITS);
    await transact(memory, async (transaction) => {
      transaction.put(recoveries, recovery, { machineId, machineName: 'web1', sourceShutdown: '' } as RecoveryRecord);
      transaction.put(shutdownRequests, machineId, { requestId, powerOff: false });
    });
    let isLate = false;
    const store = Object.assign(Object.create(memory) as StateStore, {
      async commit(commit: Parameters<StateStore['commit']>[0]) {
        if (!isLate) return memory.commit(commit);
        isLate = false;
        throw new HoldfastError('VERSION_CONFLICT', { thing: 'a record', why: 'somebody was faster', remedy: 'again' });
      },
    });
    const shutdownAnswer = { requestId: idBytes(requestId), pointId: idBytes(pointId), atRest: true, poweringOff: true, problemCode: '' };
    const agents = { get: () => ({ connected: true, report: { shutdownAnswer } }), subscribe: () => () => undefined };
    const points = [{ id: pointId, unixMillis: 1n, kind: PointKind.CRASH, disks: [], unreadableBytes: 0n }];
    const questions = { ask: async () => ({ points }) };
    const parts = { store, agents, questions } as unknown as RecoveryParts;
    const take = async (step: JobStep): Promise<void> => {
      await step.wait?.(job, { signal: new AbortController().signal, progress: () => undefined });
      isLate = true;
      await transact(store, async (transaction) => step.apply?.(transaction, job, undefined));
      expect(isLate).toBe(false);
    };
    await take(choosePointStep(parts, keepPoint));
    expect((await find(store, recoveries, recovery))!.value.point).toMatchObject({ id: pointId });
    await take(restStep(parts, SOURCE_PATIENCE));
    expect((await find(store, recoveries, recovery))!.value).toMatchObject({ lastPoint: pointId, sourceShutdown: 'it is at rest' });
    await take(powerOffStep(parts, SOURCE_PATIENCE));
    expect((await find(store, recoveries, recovery))!.value).toMatchObject({ sourceShutdown: 'it powers off' });
  });
});
