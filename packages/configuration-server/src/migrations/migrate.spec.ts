import type { Log } from '@holdfast/daemon';
import { type JobRecord, jobs, newJobId } from '../jobs/job-record.ts';
import { listJobs } from '../jobs/list-jobs.ts';
import { find } from '../records/kind.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import type { StateStore } from '../state/state-store.ts';
import { dying } from '../testing/job-program.ts';
import { migrate, newestForm, STATE_FORM, stateForms } from './migrate.ts';
import type { Migration } from './migration.ts';

const log: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined, child: () => log };
const COUNT = 450;
/** Indices 1, 5, 9 … and 2, 6, 10 … below it. */
const FAILED_ONES = 113;
const RUNNING_ONES = 112;
const FAILED = { machineId: '', kinds: new Set<string>(), states: new Set(['failed'] as const), startedBy: '' };

const states = ['succeeded', 'failed', 'running', 'cancelled'] as const;

/** What a version before all migrations left: jobs, and no index of those that have ended. */
const firstForm = async (): Promise<StateStore> => {
  const store = createMemoryStore({ events: 100, audit: 100, changes: 1000 });
  await transact(store, async (transaction) => {
    for (let index = 0; index < COUNT; index += 1) {
      const job = { kind: 'point', state: states[index % 4]!, machineId: '', startedBy: 'me', created: index, steps: [] };
      transaction.put(jobs, newJobId(index), job as unknown as JobRecord);
    }
  });
  return store;
};

const formOf = async (store: StateStore): Promise<number | undefined> => (await find(store, stateForms, STATE_FORM))?.value.form;

const ended = async (store: StateStore): Promise<string[]> =>
  (await store.list({ prefix: 'job-ended/', limit: 1000 })).map(({ key }) => key);

describe('the migration of a state', () => {
  it('finds jobs of earlier versions by how they ended', async () => {
    const store = await firstForm();
    // The control: they are there, and not found.
    expect((await listJobs(store, FAILED, 500)).rows).toEqual([]);
    await migrate(store, log);
    expect((await listJobs(store, FAILED, 500)).rows).toHaveLength(FAILED_ONES);
    expect(await ended(store)).toHaveLength(COUNT - RUNNING_ONES);
    expect(await formOf(store)).toBe(newestForm());
    expect((await store.events({ limit: 10 })).map(({ code }) => code)).toEqual(['state-migrated']);
    expect((await store.audit({ limit: 10 })).map(({ action }) => action)).toEqual(['Migrate']);
  });

  it('comes to the same end when it is killed between any two commits', async () => {
    const whole = await firstForm();
    await migrate(whole, log);
    for (let death = 0, died = true; died; death += 1) {
      const store = await firstForm();
      const mortal = dying(store, death, 'after');
      died = await migrate(mortal, log).then(
        () => false,
        () => true,
      );
      await migrate(store, log);
      expect((await ended(store)).length).toBe((await ended(whole)).length);
      expect(await formOf(store)).toBe(newestForm());
      expect(await store.events({ limit: 10 })).toHaveLength(1);
    }
  });

  it('does nothing that was done, in its order, and says that a newer version was there', async () => {
    const done: string[] = [];
    const step = (about: string): Migration => ({ about, run: async () => done.push(about) });
    const store = createMemoryStore({ events: 100, audit: 100, changes: 1000 });
    const [one, two, three] = [step('one'), step('two'), step('three')];
    await migrate(store, log, [one, two]);
    await migrate(store, log, [one, two]);
    await migrate(store, log, [one, two, three]);
    expect(done).toEqual(['one', 'two', 'three']);
    await expect(migrate(store, log, [one, two])).rejects.toMatchObject({ code: 'STATE_VERSION_UNSUPPORTED' });
    expect(await formOf(store)).toBe(4);
  });
});
