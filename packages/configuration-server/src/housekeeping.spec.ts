import { cleanUp } from './housekeeping.ts';
import { endedJobs, type JobRecord, jobs, jobsOf } from './jobs/job-record.ts';
import { startJob } from './jobs/start-job.ts';
import { revocations, tokens } from './records/kinds.ts';
import { transact } from './records/transaction.ts';
import { prunedRecoveries, type RecoveryRecord, recoveries, recoveriesOf } from './recovery/recovery-record.ts';
import { createMemoryStore } from './state/memory-store.ts';

const DAY = 24 * 3_600_000;

describe('housekeeping', () => {
  it('removes what has no meaning any more, and nothing else', async () => {
    const store = createMemoryStore({ events: 10, audit: 10, changes: 1000 });
    const now = Date.now();
    const ids: string[] = [];
    await transact(store, async (transaction) => {
      transaction.put(revocations, 'aa', { member: 'm', notAfter: now - 4 * DAY });
      transaction.put(revocations, 'bb', { member: 'm', notAfter: now - 2 * DAY });
      const token = { hash: '', role: 'agent', created: 0, note: '' } as const;
      transaction.put(tokens, 'old', { ...token, expires: now - 31 * DAY });
      transaction.put(tokens, 'late', { ...token, expires: now - DAY });
      for (let index = 0; index < 6; index += 1) {
        const { id, value } = startJob(transaction, { steps: [] }, { kind: 'protect', machineId: 'm', protectionId: '', startedBy: '' });
        const ended: JobRecord = { ...value, state: index === 0 ? 'running' : 'succeeded' };
        transaction.put(jobs, id, ended);
        if (index > 0) transaction.put(endedJobs, `succeeded/${id}`, {});
        ids.push(id);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    });
    expect(await cleanUp(store, 2, 2 * DAY, now)).toBe(2 + 3 * 3);
    const left = (await store.list({ prefix: '', limit: 100 })).map(({ key }) => key);
    expect(left).toEqual(expect.arrayContaining([revocations.key('bb'), tokens.key('late')]));
    expect(left).not.toEqual(expect.arrayContaining([revocations.key('aa')]));
    expect(left).not.toEqual(expect.arrayContaining([tokens.key('old')]));
    // The one that runs, and of the ended ones the newest two.
    expect(left.filter((key) => key.startsWith(jobs.prefix))).toEqual([ids[5], ids[4], ids[0]].map((id) => jobs.key(id!)));
    expect(left.filter((key) => key.startsWith(jobsOf.prefix))).toHaveLength(3);
    expect(left.filter((key) => key.startsWith(endedJobs.prefix))).toHaveLength(2);
    expect(await cleanUp(store, 2, 2 * DAY, now)).toBe(0);
  });

  it('keeps the newest of the recoveries that have ended, and all that run', async () => {
    const store = createMemoryStore({ events: 10, audit: 10, changes: 1000 });
    await transact(store, async (transaction) => {
      for (const [id, state] of [...'0123'].map((digit, index) => [digit.repeat(32), index === 3 ? 'running' : 'ended'] as const)) {
        transaction.put(recoveries, id, { machineId: 'm', state } as RecoveryRecord);
        transaction.put(recoveriesOf, `m/${id}`, {});
      }
    });
    expect(await cleanUp(store, 2, 2 * DAY, Date.now(), 2)).toBe(2);
    const left = (await store.list({ prefix: '', limit: 100 })).map(({ key }) => key);
    const kept = [...'013'].map((digit) => digit.repeat(32));
    expect(left).toEqual([...kept.map((id) => recoveriesOf.key(`m/${id}`)), ...kept.map((id) => recoveries.key(id))].toSorted());
  });

  it('leaves a job alone that is put back to work meanwhile', async () => {
    const store = createMemoryStore({ events: 10, audit: 10, changes: 1000 });
    const failed = { kind: 'point', machineId: 'm', state: 'failed' } as JobRecord;
    await transact(store, async (transaction) => {
      transaction.put(jobs, '1', failed);
      transaction.put(jobsOf, 'm/1', {});
      transaction.put(endedJobs, 'failed/1', {});
    });
    let isRetried = false;
    const meanwhile: typeof store.list = async (options) => {
      // Jobs have been looked at, and nothing has been removed.
      if (options.prefix === prunedRecoveries.prefix && !isRetried) {
        isRetried = true;
        await transact(store, async (transaction) => {
          transaction.put(jobs, '1', { ...failed, state: 'queued' });
          transaction.delete(endedJobs, 'failed/1');
        });
      }
      return store.list(options);
    };
    await cleanUp({ ...store, list: meanwhile }, 0, 2 * DAY);
    expect(isRetried).toBe(true);
    expect((await store.list({ prefix: '', limit: 100 })).map(({ key }) => key).toSorted()).toEqual(
      [jobs.key('1'), jobsOf.key('m/1')].toSorted(),
    );
  });

  it('knows the newest of those that are not kept still to be over, and not all there ever were', async () => {
    const store = createMemoryStore({ events: 10, audit: 10, changes: 1000 });
    const ids = [...'012345'].map((digit) => digit.repeat(32));
    await transact(store, async (transaction) => {
      for (const id of ids) transaction.put(recoveries, id, { machineId: 'm', machineName: 'db1', state: 'ended' } as RecoveryRecord);
    });
    const known = async () => (await store.list({ prefix: prunedRecoveries.prefix, limit: 100 })).map(({ key }) => key);
    await cleanUp(store, 2, 2 * DAY, Date.now(), 1, 3);
    expect(await known()).toHaveLength(5);
    await cleanUp(store, 2, 2 * DAY, Date.now(), 1, 3);
    expect(await known()).toEqual(ids.slice(1, 4).map((id) => prunedRecoveries.key(id)));
  });
});
