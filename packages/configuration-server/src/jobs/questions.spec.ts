import { HoldfastError } from '@holdfast/errors';
import { find } from '../records/kind.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import type { StateStore } from '../state/state-store.ts';
import { dying, MACHINE, PROTECTION, runProgram } from '../testing/job-program.ts';
import { answerJob } from './answer-job.ts';
import type { JobPlan, JobStep } from './job-plan.ts';
import { endedJobs, type JobRecord, jobs, questionOf } from './job-record.ts';
import { retryJob } from './retry-job.ts';
import { startJob } from './start-job.ts';

const DONE = { word: 'done', meaning: 'it was done' };
const LATER = { word: 'later', meaning: 'somebody does it later' };
const ABOUT = { kind: 'unprotect', machineId: MACHINE, protectionId: PROTECTION, startedBy: 'me' } as const;

const planOf = (steps: readonly JobStep[], more: Partial<JobPlan> = {}): JobPlan => ({
  steps,
  cancelled: async () => undefined,
  failed: async () => undefined,
  ...more,
});

const begin = async (plan: JobPlan): Promise<{ readonly store: StateStore; readonly id: string }> => {
  const store = createMemoryStore({ events: 1000, audit: 1000, changes: 10_000 });
  const { result } = await transact(store, async (transaction) => startJob(transaction, plan, ABOUT));
  return { store, id: result.id };
};

const jobOf = async (store: StateStore, id: string): Promise<JobRecord> => (await find(store, jobs, id))!.value;

/** Answers the question that stands; gives false when there is none. */
const answer = async (store: StateStore, id: string, choice: string, question = ''): Promise<boolean> => {
  const { result } = await transact(store, async (transaction) => {
    const job = (await transaction.read(jobs, id))!;
    if (questionOf(job.value) === undefined) return false;
    answerJob(transaction, job, { question, choice, note: 'by hand', by: 'ann' });
    return true;
  });
  return result;
};

/** Somebody who answers whatever is asked, by a list that begins anew at its end. */
const answerAll = async (store: StateStore, id: string, choices: readonly string[], stop: AbortSignal): Promise<void> => {
  let at = 0;
  for await (const _ of store.watch(0, stop)) if (await answer(store, id, choices[at % choices.length]!)) at += 1;
};

/** The whole of a job in a program that dies at commit `death`, then in one that lives, with somebody who answers. */
const carryOut = async (plan: JobPlan, choices: readonly string[], death?: number, when: 'before' | 'after' = 'before') => {
  const { store, id } = await begin(plan);
  const stop = new AbortController();
  const answering = answerAll(store, id, choices, stop.signal);
  let died = false;
  if (death !== undefined) {
    const mortal = dying(store, death, when);
    await runProgram(mortal, store, id, plan);
    died = mortal.died();
  }
  await runProgram(store, store, id, plan);
  stop.abort();
  await answering;
  return { job: await jobOf(store, id), died, events: (await store.events({ limit: 100 })).map(({ code }) => code) };
};

const shape = ({ state, problemCode, steps }: JobRecord) => ({
  state,
  problemCode,
  steps: steps.map(({ name, state: own, detail, answer: said }) => [name, own, detail, said?.choice]),
});

const failing = (): HoldfastError => new HoldfastError('DEVICE_UNSUPPORTED', { thing: 'disk', why: 'it is odd', remedy: 'mend it' });

const MANUAL = planOf([
  { name: 'first', apply: async () => 'ready' },
  {
    name: 'by hand',
    ask: async () => ({ text: 'Switch the load balancer', choices: [DONE, LATER] }),
    apply: async (_, __, said) => `${said?.choice} by ${said?.by}: ${said?.note}`,
  },
  { name: 'last' },
]);

describe('a job that asks', () => {
  it('waits for the answer, tells so, and hands it on', async () => {
    const { job, events } = await carryOut(MANUAL, ['later']);
    expect(shape(job)).toEqual({
      state: 'succeeded',
      problemCode: '',
      steps: [
        ['first', 'succeeded', 'ready', undefined],
        ['by hand', 'succeeded', 'later by ann: by hand', 'later'],
        ['last', 'succeeded', '', undefined],
      ],
    });
    expect(events.filter((code) => code.startsWith('job-')).toSorted()).toEqual(['job-succeeded', 'job-waiting']);
  });

  it('ends the same when the program is killed at any commit', async () => {
    const undisturbed = shape((await carryOut(MANUAL, ['done'])).job);
    for (const when of ['before', 'after'] as const)
      for (let death = 0; ; death += 1) {
        const { job, died, events } = await carryOut(MANUAL, ['done'], death, when);
        expect(shape(job)).toEqual(undisturbed);
        expect(events.filter((code) => code === 'job-waiting')).toHaveLength(1);
        if (!died) {
          expect(death).toBe(7);
          break;
        }
      }
  });

  it('takes no answer to another question, and no word that is none of its choices', async () => {
    const { store, id } = await begin(MANUAL);
    const stop = new AbortController();
    const running = runProgram(store, store, id, MANUAL);
    for await (const _ of store.watch(0, stop.signal)) if (questionOf(await jobOf(store, id)) !== undefined) stop.abort();
    await expect(answer(store, id, 'nonsense')).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
    await expect(answer(store, id, 'done', '0'.repeat(32))).rejects.toMatchObject({ code: 'JOB_NOT_WAITING' });
    expect(await answer(store, id, 'done', questionOf(await jobOf(store, id))!.id)).toBe(true);
    await running;
    const late = transact(store, async (transaction) =>
      answerJob(transaction, (await transaction.read(jobs, id))!, { question: '', choice: 'done', note: '', by: 'bob' }),
    );
    await expect(late).rejects.toMatchObject({ code: 'JOB_NOT_WAITING' });
  });

  it('can be cancelled while it waits', async () => {
    const { store, id } = await begin(MANUAL);
    const stop = new AbortController();
    const running = runProgram(store, store, id, MANUAL);
    for await (const _ of store.watch(0, stop.signal)) if (questionOf(await jobOf(store, id)) !== undefined) stop.abort();
    await transact(store, async (transaction) => {
      transaction.put(jobs, id, { ...(await transaction.read(jobs, id))!.value, cancelling: true });
    });
    await running;
    expect(shape(await jobOf(store, id)).steps.map(([, state]) => state)).toEqual(['succeeded', 'cancelled', 'cancelled']);
  });
});

describe('a step whose failure is asked about', () => {
  /** Fails as often as it is told, then succeeds. */
  const flaky = (failures: number): JobPlan => {
    let left = failures;
    return planOf([
      {
        name: 'odd',
        askWhenFailed: true,
        wait: async () => {
          left -= 1;
          if (left >= 0) throw failing();
        },
        apply: async () => 'done after all',
      },
      { name: 'last' },
    ]);
  };

  it('is done again, as often as somebody says so', async () => {
    const { job, events } = await carryOut(flaky(2), ['retry']);
    expect(shape(job)).toMatchObject({ state: 'succeeded', steps: [['odd', 'succeeded', 'done after all', undefined], expect.anything()] });
    expect(events.filter((code) => code === 'job-waiting')).toHaveLength(2);
  });

  it('is left out, and the job goes on', async () => {
    const { job } = await carryOut(flaky(5), ['skip']);
    expect(shape(job)).toMatchObject({
      state: 'succeeded',
      steps: [
        ['odd', 'cancelled', 'left out by ann: it is odd', 'skip'],
        ['last', 'succeeded', '', undefined],
      ],
    });
  });

  it('lets the job fail with its own error', async () => {
    const { job } = await carryOut(flaky(5), ['fail']);
    expect(shape(job)).toMatchObject({ state: 'failed', problemCode: 'DEVICE_UNSUPPORTED' });
  });

  it('ends the same when the program is killed at any commit', async () => {
    for (const choices of [['skip'], ['fail'], ['retry', 'skip']])
      for (const when of ['before', 'after'] as const)
        for (let death = 0; ; death += 1) {
          const { job, died } = await carryOut(flaky(100), choices, death, when);
          expect(job.state).toBe(choices[0] === 'fail' ? 'failed' : 'succeeded');
          if (!died) break;
        }
  });
});

describe('a job that failed', () => {
  const broken = (more: Partial<JobPlan>) => {
    const world = { isMended: false, tries: [] as string[] };
    const plan = planOf(
      [
        { name: 'first', apply: async () => `${world.tries.push('first')}` },
        {
          name: 'second',
          wait: async () => {
            world.tries.push('second');
            if (!world.isMended) throw failing();
          },
        },
      ],
      more,
    );
    return { world, plan };
  };

  const retry = (store: StateStore, id: string, plan: JobPlan) =>
    transact(store, async (transaction) => retryJob(store, transaction, plan, (await transaction.read(jobs, id))!, 'ann'));

  it('goes on at the step that failed, also when the program is killed at any commit', async () => {
    for (let death = 0, died = true; died; death += 1) {
      const { world, plan } = broken({ retried: async (_, __, failed) => failed });
      const { store, id } = await begin(plan);
      await runProgram(store, store, id, plan);
      world.isMended = true;
      await retry(store, id, plan);
      const mortal = dying(store, death, 'before');
      await runProgram(mortal, store, id, plan);
      died = mortal.died();
      await runProgram(store, store, id, plan);
      expect(shape(await jobOf(store, id))).toMatchObject({ state: 'succeeded', problemCode: '' });
      expect((await jobOf(store, id)).tries).toBe(2);
      expect(world.tries.filter((step) => step === 'first')).toHaveLength(1);
    }
  });

  it('goes on earlier where its plan says so', async () => {
    const { world, plan } = broken({ retried: async () => 0 });
    const { store, id } = await begin(plan);
    await runProgram(store, store, id, plan);
    expect(await find(store, endedJobs, `failed/${id}`)).toBeDefined();
    world.isMended = true;
    await retry(store, id, plan);
    expect(await find(store, endedJobs, `failed/${id}`)).toBeUndefined();
    await runProgram(store, store, id, plan);
    expect(await find(store, endedJobs, `succeeded/${id}`)).toBeDefined();
    expect(world.tries).toEqual(['first', 'second', 'first', 'second']);
  });

  it('is refused by name where it cannot, while it is at work, and while another job has the machine', async () => {
    const { plan } = broken({});
    const { store, id } = await begin(plan);
    await expect(retry(store, id, plan)).rejects.toMatchObject({ code: 'JOB_RUNNING' });
    await runProgram(store, store, id, plan);
    await expect(retry(store, id, plan)).rejects.toMatchObject({ code: 'JOB_ENDED' });
    const able = { ...plan, retried: async () => 0 };
    await transact(store, async (transaction) => startJob(transaction, plan, ABOUT));
    await expect(retry(store, id, able)).rejects.toMatchObject({ code: 'JOB_RUNNING', why: expect.stringContaining('unprotect') });
  });
});
