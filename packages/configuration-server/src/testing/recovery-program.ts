import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Log } from '@holdfast/daemon';
import {
  AgentHelloSchema,
  idBytes,
  PointKind,
  ProtectionSchema,
  ProtectionState,
  RecoveryAnswerSchema,
  type RecoveryReportSchema,
  RecoveryStage,
  ServerHelloSchema,
  ServerReportSchema,
  type WantedRecovery,
} from '@holdfast/protocol';
import { type AgentPresence, createPresence, type ServerPresence } from '../control/presence.ts';
import { createJobEngine } from '../jobs/job-engine.ts';
import type { JobKind } from '../jobs/job-record.ts';
import { find, listAll } from '../records/kind.ts';
import { machines, protections } from '../records/kinds.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import { orderNext, orderRecovery } from '../recovery/order-recovery.ts';
import type { Questions } from '../recovery/questions.ts';
import { recoveriesWanted } from '../recovery/recoveries-wanted.ts';
import { createRecoveryPlans } from '../recovery/recovery-plans.ts';
import { openRecoveries, recoveries } from '../recovery/recovery-record.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import { createNotifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';
import { planOf, untilEnded } from './job-program.ts';

const id = (digit: string): string => digit.repeat(32);
export const [MACHINE, SERVER, PROTECTION] = [id('a'), id('b'), id('c')];
const LIMITS = { events: 1000, audit: 1000, changes: 10_000 };
const log: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined, child: () => log };
const TARGET = { fabric: 'qemu', network: '', testNetwork: '', size: 'same', address: 'dhcp', guestCredential: '' };
const questions: Questions = {
  ask: async () =>
    create(RecoveryAnswerSchema, { points: [{ id: id('d'), unixMillis: 1n, kind: PointKind.CRASH, disks: ['sda'] }], total: 1n }),
  of: () => [],
  subscribe: () => () => undefined,
};

/** Milliseconds after which a job that does not end is left alone. */
const PATIENCE = 20_000;

type Report = MessageInitShape<typeof RecoveryReportSchema>;

/** What a process server says that reaches all it is told. */
const reached = ({ id: recovery, runId, goal }: WantedRecovery): Report => ({ id: recovery, runId, goal, stage: RecoveryStage.REACHED });

/** A configuration server that carries out a job over `store`, until the job has ended or the program is dead; its process server does what it is told. */
export const runProgram = async (
  store: StateStore,
  real: StateStore,
  jobId: string,
  carryOut: (wanted: WantedRecovery) => Report = reached,
): Promise<void> => {
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
    const own = [{ machineId: idBytes(MACHINE), pendingBytes: 0n }];
    session.reported(create(ServerReportSchema, { recoveries: told.map(carryOut), machines: own }));
  };
  const serving = (async () => {
    await serve();
    for await (const _ of real.watch(real.revision(), stop.signal)) await serve();
  })().catch(() => undefined);
  const plans = { ...planOf(store).plans, ...createRecoveryPlans({ store, notifier, agents, servers, questions }) };
  const engine = createJobEngine({ store, notifier, plans, log });
  const changes = notifier.run(stop.signal);
  const work = engine.run(stop.signal).catch(() => stop.abort());
  await untilEnded(real, jobId, AbortSignal.any([stop.signal, AbortSignal.timeout(PATIENCE)]));
  stop.abort();
  await Promise.all([changes, work, serving]);
};

/** Orders it as people do; gives the id of the job. */
export const order = async (store: StateStore, kind: JobKind): Promise<string> => {
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

/** A protected machine, and what was done with it before. */
export const prepare = async (before: readonly JobKind[]): Promise<StateStore> => {
  const store = createMemoryStore(LIMITS);
  await transact(store, async (transaction) => {
    transaction.put(machines, MACHINE, { name: 'web1', agentVersion: '1', lastSeen: 0, protectionId: PROTECTION });
    const protection = { machineId: MACHINE, vault: 'office', state: ProtectionState.PROTECTED, processServerId: SERVER };
    transaction.put(protections, PROTECTION, create(ProtectionSchema, protection));
  });
  for (const kind of before) await runProgram(store, store, await order(store, kind));
  return store;
};
