import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import type { StateStore } from '../state/state-store.ts';
import { endedJobs, hasEnded, type JobKind, type JobRecord, jobs, jobsOf, newJobId, openJobs, type StepState } from './job-record.ts';
import { type JobFilter, listJobs } from './list-jobs.ts';

const MACHINES = ['a'.repeat(32), 'b'.repeat(32)] as const;
const KINDS: readonly JobKind[] = ['protect', 'move', 'point'];
const STATES: readonly StepState[] = ['succeeded', 'failed', 'running', 'waiting'];
const START = 1_700_000_000_000;
const COUNT = 60;
const ALL: JobFilter = { machineId: '', kinds: new Set(), states: new Set(), startedBy: '' };

const jobAt = (index: number): JobRecord => ({
  kind: KINDS[index % 3]!,
  state: STATES[index % 4]!,
  machineId: MACHINES[index % 2]!,
  protectionId: '',
  wantedServer: '',
  startedBy: index % 5 === 0 ? 'ann' : 'bob',
  created: START + index * 1000,
  ended: 0,
  steps: [],
  cancelling: false,
  problemCode: '',
  problem: '',
});

const fill = async (): Promise<StateStore> => {
  const store = createMemoryStore({ events: 10, audit: 10, changes: 100 });
  for (let index = 0; index < COUNT; index += 1)
    await transact(store, async (transaction) => {
      const job = jobAt(index);
      const id = newJobId(job.created);
      transaction.put(jobs, id, job);
      transaction.put(jobsOf, `${job.machineId}/${id}`, {});
      if (hasEnded(job)) transaction.put(endedJobs, `${job.state}/${id}`, {});
      else transaction.put(openJobs, id, {});
    });
  return store;
};

/** The instants of all jobs of all pages. */
const instants = async (store: StateStore, filter: JobFilter, size: number): Promise<number[]> => {
  const found: number[] = [];
  let after: string | undefined;
  do {
    const page = await listJobs(store, filter, size, after);
    expect(page.rows.length).toBeLessThanOrEqual(size);
    found.push(...page.rows.map(({ value }) => value.created));
    after = page.next;
  } while (after !== undefined);
  return found;
};

describe('a list of jobs', () => {
  const all = Array.from({ length: COUNT }, (_, index) => jobAt(index)).toReversed();
  const filters: [string, Partial<JobFilter>, (job: JobRecord) => boolean][] = [
    ['everything', {}, () => true],
    ['a machine', { machineId: MACHINES[1] }, ({ machineId }) => machineId === MACHINES[1]],
    ['kinds', { kinds: new Set(['move', 'point']) }, ({ kind }) => kind !== 'protect'],
    ['states', { states: new Set(['waiting'] as const) }, ({ state }) => state === 'waiting'],
    ['several states', { states: new Set(['failed', 'running', 'succeeded'] as const) }, ({ state }) => state !== 'waiting'],
    [
      'states of a machine',
      { machineId: MACHINES[1], states: new Set(['failed'] as const) },
      (job) => job.machineId === MACHINES[1] && job.state === 'failed',
    ],
    [
      'how they ended, and kinds',
      { kinds: new Set(['move']), states: new Set(['failed'] as const) },
      ({ kind, state }) => kind === 'move' && state === 'failed',
    ],
    ['a person', { startedBy: 'ann' }, ({ startedBy }) => startedBy === 'ann'],
    ['from an instant on', { since: START + 20_000 }, ({ created }) => created >= START + 20_000],
    ['before an instant', { until: START + 20_000 }, ({ created }) => created < START + 20_000],
    [
      'all of it',
      { machineId: MACHINES[0], kinds: new Set(['protect']), since: START + 5000, until: START + 50_000 },
      (job) => job.machineId === MACHINES[0] && job.kind === 'protect' && job.created >= START + 5000 && job.created < START + 50_000,
    ],
    ['nothing', { startedBy: 'nobody' }, () => false],
  ];

  it.each(filters)('by %s has what it should, page by page, the newest first', async (_, part, wanted) => {
    const store = await fill();
    for (const size of [1, 7, 500])
      expect(await instants(store, { ...ALL, ...part }, size)).toEqual(all.filter(wanted).map(({ created }) => created));
  });
});
