import { create } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import { ProtectionSchema, ProtectionState } from '@holdfast/protocol';
import { find, type Kind } from '../records/kind.ts';
import { assignments, machines, policyUses, protections, servers } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import type { StateStore } from '../state/state-store.ts';
import { dying, GATEWAY, MACHINE, OTHER, POLICY, PROTECTION, planOf, runProgram } from '../testing/job-program.ts';
import { endedJobs, hasEnded, type JobKind, jobs, openJobs } from './job-record.ts';
import { countUse } from './protect-plan.ts';
import { startJob } from './start-job.ts';

const LIMITS = { events: 1000, audit: 1000, changes: 10_000 };

/** The machine reaches its first point as soon as a process server is chosen, whether the configuration server lives or not. */
const replicate = async (store: StateStore, stop: AbortSignal): Promise<void> => {
  for await (const _ of store.watch(0, stop)) {
    const protection = await find(store, protections, PROTECTION);
    if (protection?.value.state !== ProtectionState.PREPARING || protection.value.processServerId === '') continue;
    await transact(store, async (transaction) => {
      const now = await transaction.read(protections, PROTECTION);
      if (now?.value.state === ProtectionState.PREPARING)
        transaction.put(protections, PROTECTION, { ...now.value, state: ProtectionState.PROTECTED });
    });
  }
};

const prepare = async (kind: JobKind): Promise<{ store: StateStore; id: string }> => {
  const store = createMemoryStore(LIMITS);
  const { plans } = planOf(store);
  const { result } = await transact(store, async (transaction) => {
    transaction.put(machines, MACHINE, { name: 'web1', agentVersion: '1', lastSeen: 0, protectionId: PROTECTION });
    transaction.put(servers, GATEWAY, {
      name: 'gw',
      role: 'process-server',
      softwareVersion: '1',
      lastSeen: 0,
      endpoints: [],
      vaults: ['office'],
    });
    transaction.put(servers, OTHER, {
      name: 'other',
      role: 'process-server',
      softwareVersion: '1',
      lastSeen: 0,
      endpoints: [],
      vaults: ['office'],
    });
    const isEnding = kind === 'unprotect';
    const isNew = kind === 'protect';
    const protection = create(ProtectionSchema, {
      machineId: MACHINE,
      policyId: POLICY,
      vault: 'office',
      state: isEnding ? ProtectionState.STOPPING : isNew ? ProtectionState.PREPARING : ProtectionState.PROTECTED,
      processServerId: isNew ? '' : GATEWAY,
    });
    transaction.put(protections, PROTECTION, protection);
    if (!isNew) transaction.put(assignments, `${GATEWAY}/${MACHINE}`, { vault: 'office', machineName: 'web1' });
    await countUse(transaction, POLICY, 1);
    return startJob(transaction, plans[kind], { kind, machineId: MACHINE, protectionId: PROTECTION, startedBy: 'me' });
  });
  return { store, id: result.id };
};

/** Everything a job leaves behind, without times and numbers that count commits. */
const outcome = async (store: StateStore, id: string): Promise<unknown> => {
  const recordOf = async <T>(kind: Kind<T>, key: string): Promise<T | undefined> => (await find(store, kind, key))?.value;
  const job = await recordOf(jobs, id);
  return {
    state: job?.state,
    problem: job?.problem,
    steps: job?.steps.map(({ name, state, detail }) => [name, state, detail]),
    open: await recordOf(openJobs, id),
    ended: (await store.list({ prefix: endedJobs.prefix, limit: 10 })).map(({ key }) => key === endedJobs.key(`${job?.state}/${id}`)),
    protection: (await recordOf(protections, PROTECTION))?.state,
    server: (await recordOf(protections, PROTECTION))?.processServerId,
    machine: (await recordOf(machines, MACHINE))?.protectionId,
    uses: await recordOf(policyUses, POLICY),
    assignments: [
      ...(await store.list({ prefix: assignments.prefix, limit: 10 })),
      // Of a move that has ended nothing may be left.
      ...(job !== undefined && hasEnded(job) ? await store.list({ prefix: 'move/', limit: 10 }) : []),
    ].map(({ key }) => key),
    ends: (await store.events({ limit: 100 })).filter(({ code }) => code.startsWith('job-')).map(({ code }) => code),
  };
};

/** Does `meanwhile` and the job, in a program that dies at each of its commits `deaths`, then in one that lives. */
const carryOut = async (
  kind: JobKind,
  death: number | undefined,
  when: 'before' | 'after',
  cancelAt?: number,
): Promise<{ outcome: unknown; died: boolean }> => {
  const { store, id } = await prepare(kind);
  const stop = new AbortController();
  const replicating = replicate(store, stop.signal);
  if (cancelAt !== undefined) {
    // The state the job has after so many commits, then somebody cancels it.
    await runProgram(dying(store, cancelAt, 'before'), store, id);
    await transact(store, async (transaction) => {
      const job = await transaction.read(jobs, id);
      if (job !== undefined && !hasEnded(job.value)) transaction.put(jobs, id, { ...job.value, cancelling: true });
    });
  }
  let died = false;
  if (death !== undefined) {
    const mortal = dying(store, death, when);
    await runProgram(mortal, store, id);
    died = mortal.died();
  }
  await runProgram(store, store, id);
  stop.abort();
  await replicating;
  return { outcome: await outcome(store, id), died };
};

const PROTECTED = {
  ended: [true],
  state: 'succeeded',
  problem: '',
  steps: [
    ['choose process server', 'succeeded', 'gw receives it'],
    ['tell process server', 'succeeded', 'it is ready'],
    ['tell machine', 'succeeded', 'it has begun'],
    ['first copy', 'succeeded', 'the first recovery point is in the vault'],
  ],
  open: undefined,
  protection: ProtectionState.PROTECTED,
  server: GATEWAY,
  machine: PROTECTION,
  uses: { protections: 1 },
  assignments: [`assignment/${GATEWAY}/${MACHINE}`],
  ends: ['job-succeeded'],
};

const GONE = { open: undefined, protection: undefined, server: undefined, machine: '', uses: { protections: 0 }, assignments: [] };

describe('jobs', () => {
  it('protect and unprotect, undisturbed', async () => {
    expect((await carryOut('protect', undefined, 'before')).outcome).toEqual(PROTECTED);
    expect((await carryOut('unprotect', undefined, 'before')).outcome).toMatchObject({
      ...GONE,
      state: 'succeeded',
      ends: ['job-succeeded'],
    });
  });

  it('move, undisturbed', async () => {
    expect((await carryOut('move', undefined, 'before')).outcome).toEqual({
      ...PROTECTED,
      steps: [
        ['choose process server', 'succeeded', 'other will receive it'],
        ['tell process server', 'succeeded', 'it is ready'],
        ['tell machine', 'succeeded', 'it sends there'],
      ],
      server: OTHER,
      assignments: [`assignment/${OTHER}/${MACHINE}`],
    });
  });

  it.each(['protect', 'unprotect', 'move'] as const)('%s ends the same when the program is killed at any commit', async (kind) => {
    const { outcome: undisturbed } = await carryOut(kind, undefined, 'before');
    for (const when of ['before', 'after'] as const) {
      let death = 0;
      for (; ; death += 1) {
        const { outcome: disturbed, died } = await carryOut(kind, death, when);
        expect(withoutDetail(disturbed)).toEqual(withoutDetail(undisturbed));
        if (!died) break;
      }
      // Every step begins with a commit and ends with one.
      expect(death).toBe({ protect: 8, unprotect: 4, move: 6 }[kind]);
    }
  });

  it('that are cancelled leave nothing, whenever that is and whenever the program is killed', async () => {
    for (let at = 0; at < 7; at += 1)
      for (const death of [undefined, 0])
        for (const when of ['before', 'after'] as const) {
          const { outcome: cancelled } = await carryOut('protect', death, when, at);
          expect(cancelled).toMatchObject({ ...GONE, state: 'cancelled', ends: ['job-cancelled'] });
        }
  });

  it('a move that is cancelled leaves the machine at one server, whenever that is and whenever the program is killed', async () => {
    const places = new Set<unknown>();
    for (let at = 0; at < 6; at += 1)
      for (const death of [undefined, 0])
        for (const when of ['before', 'after'] as const) {
          const { outcome: cancelled } = await carryOut('move', death, when, at);
          const { server } = cancelled as { readonly server: string };
          places.add(server);
          expect(cancelled).toMatchObject({ state: 'cancelled', assignments: [`assignment/${server}/${MACHINE}`], machine: PROTECTION });
        }
    expect(places).toEqual(new Set([GATEWAY, OTHER]));
  });

  it('that are cancelled in their last moment do not succeed', async () => {
    const { store, id } = await prepare('unprotect');
    const done: string[] = [];
    const cancel = async (): Promise<void> => {
      await transact(store, async (transaction) => {
        const job = await transaction.read(jobs, id);
        transaction.put(jobs, id, { ...job!.value, cancelling: true });
      });
    };
    const apply = async (): Promise<string> => {
      done.push('applied');
      return '';
    };
    const steps = [{ name: 'one' }, { name: 'two', wait: cancel, apply }];
    await runProgram(store, store, id, { steps, cancelled: async () => void done.push('undone'), failed: async () => undefined });
    expect((await find(store, jobs, id))?.value.state).toBe('cancelled');
    expect(done).toEqual(['undone']);
  });

  it('go on when their state could not be written for a while', async () => {
    const { store, id } = await prepare('unprotect');
    let failures = 2;
    const full = new HoldfastError('NO_SPACE', { thing: 'database', why: 'the disk is full', remedy: 'free space' });
    const flaky: StateStore = {
      ...store,
      commit: (commit) => (failures-- > 0 ? Promise.reject(full) : store.commit(commit)),
    };
    await runProgram(flaky, store, id);
    expect(await outcome(store, id)).toMatchObject({ ...GONE, state: 'succeeded' });
  });

  it('that fail say why, and the protection too', async () => {
    const { store, id } = await prepare('protect');
    await store.commit({ delete: [machines.key(MACHINE)] });
    await runProgram(store, store, id);
    expect(await outcome(store, id)).toMatchObject({
      state: 'failed',
      problem: expect.stringContaining('MACHINE_NOT_PROTECTED'),
      open: undefined,
      protection: ProtectionState.FAILED,
      ends: ['job-failed'],
    });
  });
});

/** Words about a step may differ: a program that came later may have had nothing to wait for. */
const withoutDetail = (seen: unknown): unknown => {
  const { steps, ...rest } = seen as { readonly steps: readonly (readonly string[])[] };
  return { ...rest, steps: steps.map(([name, state]) => [name, state]) };
};
