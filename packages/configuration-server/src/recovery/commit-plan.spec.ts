import { create } from '@bufbuild/protobuf';
import { idBytes, ProtectionSchema, ProtectionState, RecoveryGoal, RecoveryStage, ServerReportSchema } from '@holdfast/protocol';
import type { JobRecord } from '../jobs/job-record.ts';
import { find } from '../records/kind.ts';
import { protections } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import { createCommitPlan } from './failover-plans.ts';
import { type RecoveryRecord, recoveries } from './recovery-record.ts';
import type { RecoveryParts } from './steps.ts';

const id = (digit: string): string => digit.repeat(32);
const [RECOVERY, RUN, OTHER_RUN, SERVER, PROTECTION] = [id('1'), id('2'), id('3'), id('4'), id('5')];
const { INDEPENDENT, RUNNING } = RecoveryGoal;
const { REACHED, WORKING } = RecoveryStage;

describe('a commit that is cancelled', () => {
  it.each([
    ['stays as far as it came when its disks are copied and its point was let go of', [RUN, INDEPENDENT, REACHED], 'independent'],
    ['is taken back while they are copied', [RUN, INDEPENDENT, WORKING], 'running'],
    ['is taken back where its process server did not hear of it', [RUN, RUNNING, REACHED], 'running'],
    ['is taken back whatever became of another run', [OTHER_RUN, INDEPENDENT, REACHED], 'running'],
    ['is taken back when nothing is known', undefined, 'running'],
  ] as const)('%s', async (_, told, goal) => {
    const store = createMemoryStore({ events: 10, audit: 10, changes: 100 });
    const reported = told && [{ id: idBytes(RECOVERY), runId: idBytes(told[0]), goal: told[1], stage: told[2] }];
    const report = create(ServerReportSchema, { recoveries: reported ?? [] });
    const servers = { get: (server: string) => (server === SERVER ? { connected: true, report } : undefined) };
    await transact(store, async (transaction) => {
      transaction.put(recoveries, RECOVERY, { serverId: SERVER, runId: RUN, goal: 'independent', state: 'running' } as RecoveryRecord);
      transaction.put(protections, PROTECTION, create(ProtectionSchema, { state: ProtectionState.COMMITTING }));
    });
    const plan = createCommitPlan({ store, servers } as unknown as RecoveryParts);
    const job = { input: { recovery: RECOVERY }, protectionId: PROTECTION } as unknown as JobRecord;
    await transact(store, (transaction) => plan.cancelled(transaction, job));
    expect((await find(store, recoveries, RECOVERY))!.value).toMatchObject({ state: 'running', goal, commitCancelled: true });
    const { state, stateDetail } = (await find(store, protections, PROTECTION))!.value;
    expect([state, stateDetail.includes('held no more')]).toEqual([ProtectionState.FAILED_OVER, goal === 'independent']);
  });
});
