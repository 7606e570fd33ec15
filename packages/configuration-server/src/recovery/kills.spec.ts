import { create } from '@bufbuild/protobuf';
import type { Log } from '@holdfast/daemon';
import {
  AgentHelloSchema,
  idBytes,
  PointKind,
  ProtectionSchema,
  ProtectionState,
  RecoveryAnswerSchema,
  RecoveryStage,
  ServerHelloSchema,
  ServerReportSchema,
} from '@holdfast/protocol';
import { type AgentPresence, createPresence, type ServerPresence } from '../control/presence.ts';
import { createJobEngine } from '../jobs/job-engine.ts';
import { hasEnded, type JobKind, jobs } from '../jobs/job-record.ts';
import { until } from '../jobs/until.ts';
import { find, listAll } from '../records/kind.ts';
import { machines, protections } from '../records/kinds.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import { createNotifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';
import { dying, planOf } from '../testing/job-program.ts';
import { orderNext, orderRecovery } from './order-recovery.ts';
import type { Questions } from './questions.ts';
import { recoveriesWanted } from './recoveries-wanted.ts';
import { createRecoveryPlans } from './recovery-plans.ts';
import { openRecoveries, recoveries, wantedRecoveries } from './recovery-record.ts';

const id = (digit: string): string => digit.repeat(32);
const [MACHINE, SERVER, PROTECTION] = [id('a'), id('b'), id('c')];
const LIMITS = { events: 1000, audit: 1000, changes: 10_000 };
const log: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined, child: () => log };
const TARGET = { fabric: 'qemu', network: '', testNetwork: '', size: 'same', address: 'dhcp', guestCredential: '' };
const questions: Questions = {
  ask: async () =>
    create(RecoveryAnswerSchema, { points: [{ id: id('d'), unixMillis: 1n, kind: PointKind.CRASH, disks: ['sda'] }], total: 1n }),
  of: () => [],
  subscribe: () => () => undefined,
};

/** A configuration server that carries out a job over `store`, until the job has ended or the program is dead; its process server reaches all it is told. */
const runProgram = async (store: StateStore, real: StateStore, jobId: string): Promise<void> => {
  const stop = new AbortController();
  const notifier = createNotifier(store);
  const agents: AgentPresence = createPresence();
  const servers: ServerPresence = createPresence();
  agents.open(MACHINE, create(AgentHelloSchema), () => undefined).close();
  const session = servers.open(SERVER, create(ServerHelloSchema, { vaults: ['office'], endpoints: ['x:1'] }), () => undefined);
  const reader = {
    get: <T>(kind: Parameters<typeof find<T>>[1], key: string) => find<T>(real, kind, key),
    async list<T>(kind: Parameters<typeof find<T>>[1], within: string) {
      const all = [];
      for await (const one of listAll<T>(real, kind, within)) all.push(one);
      return all;
    },
  };
  const serve = async (): Promise<void> => {
    const told = await recoveriesWanted(reader, SERVER);
    const reached = told.map(({ id: recovery, runId, goal }) => ({ id: recovery, runId, goal, stage: RecoveryStage.REACHED }));
    const own = [{ machineId: idBytes(MACHINE), pendingBytes: 0n }];
    session.reported(create(ServerReportSchema, { recoveries: reached, machines: own }));
  };
  const serving = (async () => {
    await serve();
    for await (const _ of real.watch(real.revision(), stop.signal)) await serve();
  })().catch(() => undefined);
  const plans = { ...planOf(store).plans, ...createRecoveryPlans({ store, notifier, agents, servers, questions }) };
  const engine = createJobEngine({ store, notifier, plans, log });
  const changes = notifier.run(stop.signal);
  const work = engine.run(stop.signal).catch(() => stop.abort());
  const looking = createNotifier(real);
  const watching = looking.run(stop.signal);
  const over = async (): Promise<true | undefined> => {
    const job = await find(real, jobs, jobId);
    return job !== undefined && hasEnded(job.value) ? true : undefined;
  };
  await until(over, [(listener) => looking.subscribe([jobs.key(jobId)], listener)], stop.signal);
  stop.abort();
  await Promise.all([changes, work, watching, serving]);
};

const order = async (store: StateStore, kind: JobKind): Promise<string> => {
  const { plans } = planOf(store);
  const { result } = await transact(store, async (transaction: Transaction) => {
    if (kind === 'test-failover' || kind === 'failover') {
      const about = { store, plan: plans[kind], machineId: MACHINE, actor: 'anna', serverId: SERVER, target: TARGET, point: 'latest' };
      return orderRecovery(transaction, { ...about, kind: kind === 'failover' ? 'failover' : 'test' });
    }
    const open = await transaction.read(openRecoveries, `${MACHINE}/${kind === 'clean-up-test' ? 'test' : 'failover'}`);
    const recovery = (await transaction.read(recoveries, open!.value.recovery))!;
    const next = kind as 'clean-up-test' | 'change-point' | 'cancel-failover' | 'commit';
    return orderNext(transaction, recovery, { store, plan: plans[next], kind: next, actor: 'anna', input: { point: 'dddd' } });
  });
  return result.job.id;
};

const prepare = async (before: readonly JobKind[]): Promise<StateStore> => {
  const store = createMemoryStore(LIMITS);
  await transact(store, async (transaction) => {
    transaction.put(machines, MACHINE, { name: 'web1', agentVersion: '1', lastSeen: 0, protectionId: PROTECTION });
    const protection = { machineId: MACHINE, vault: 'office', state: ProtectionState.PROTECTED, processServerId: SERVER };
    transaction.put(protections, PROTECTION, create(ProtectionSchema, protection));
  });
  for (const kind of before) await runProgram(store, store, await order(store, kind));
  return store;
};

/** All that is left in the end, without names and times that differ from run to run. */
const remains = async (store: StateStore, jobId: string) => {
  const job = (await find(store, jobs, jobId))!.value;
  const all = async <T>(kind: Parameters<typeof find<T>>[1]): Promise<T[]> => {
    const found: T[] = [];
    for await (const { value } of listAll<T>(store, kind)) found.push(value);
    return found;
  };
  const events = (await store.events({ limit: 100 })).map(({ code }) => code).toSorted();
  return {
    job: [job.state, job.steps.map(({ state }) => state)],
    protection: (await find(store, protections, PROTECTION))!.value.state,
    recoveries: (await all(recoveries)).map(({ kind, state, goal, point, ended }) => [kind, state, goal, point?.id, ended > 0]),
    open: (await all(openRecoveries)).length,
    wanted: (await all(wantedRecoveries)).length,
    events,
  };
};

/** What is done, behind what; the state it ends in, recoveries that are open then, and those a process server still carries out. */
const CASES: readonly (readonly [JobKind, readonly JobKind[], ProtectionState, number, number])[] = [
  ['test-failover', [], ProtectionState.PROTECTED, 1, 1],
  ['clean-up-test', ['test-failover'], ProtectionState.PROTECTED, 0, 0],
  ['failover', [], ProtectionState.FAILED_OVER, 1, 1],
  ['change-point', ['failover'], ProtectionState.FAILED_OVER, 1, 1],
  ['cancel-failover', ['failover'], ProtectionState.PROTECTED, 0, 0],
  ['commit', ['failover'], ProtectionState.COMMITTED, 0, 1],
];

describe('a configuration server that is killed between any two commits', () => {
  it.each(CASES)(
    'ends a %s the same',
    async (kind, before, state, open, wanted) => {
      const undisturbed = await prepare(before);
      const whole = await order(undisturbed, kind);
      await runProgram(undisturbed, undisturbed, whole);
      const expected = await remains(undisturbed, whole);
      expect([expected.job[0], expected.protection, expected.open, expected.wanted]).toEqual(['succeeded', state, open, wanted]);
      for (const when of ['before', 'after'] as const)
        for (let death = 0; ; death += 1) {
          const store = await prepare(before);
          const job = await order(store, kind);
          const mortal = dying(store, death, when);
          await runProgram(mortal, store, job);
          if (!mortal.died()) break;
          await runProgram(store, store, job);
          expect([when, death, await remains(store, job)]).toEqual([when, death, expected]);
        }
    },
    120_000,
  );
});
