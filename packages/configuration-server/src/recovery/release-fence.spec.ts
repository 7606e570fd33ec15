import { create } from '@bufbuild/protobuf';
import type { Log } from '@holdfast/daemon';
import { PointKind, ServerHelloSchema, ServerReportSchema } from '@holdfast/protocol';
import { createPresence, type ServerPresence } from '../control/presence.ts';
import { createJobEngine } from '../jobs/job-engine.ts';
import type { JobPlan } from '../jobs/job-plan.ts';
import { jobs } from '../jobs/job-record.ts';
import { startJob } from '../jobs/start-job.ts';
import { find, listAll } from '../records/kind.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import { createNotifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';
import { dying, planOf, untilEnded } from '../testing/job-program.ts';
import { recoveries, recoveriesOf } from './recovery-record.ts';
import { committedFailover, fenceReleases, releaseFenceStep, releasesWanted } from './release-fence.ts';

const id = (digit: string): string => digit.repeat(32);
const [MACHINE, SERVER, OTHER, OPERATION] = [id('a'), id('b'), id('1'), id('d')];
const log: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined, child: () => log };
const TARGET = { fabric: 'qemu', network: '', testNetwork: '', size: 'same', address: 'dhcp', guestCredential: '' };

const prepare = async (): Promise<{ store: StateStore; job: string }> => {
  const store = createMemoryStore({ events: 100, audit: 100, changes: 1000 });
  const { result } = await transact(store, async (transaction) => {
    transaction.put(recoveries, OPERATION, {
      kind: 'failover',
      machineId: MACHINE,
      machineName: 'web1',
      protectionId: id('c'),
      vault: 'office',
      serverId: SERVER,
      runId: id('e'),
      point: { id: id('f'), time: 1, kind: PointKind.CRASH, disks: [], unreadable: 0 },
      goal: 'independent',
      state: 'committed',
      target: TARGET,
      startedBy: 'anna',
      created: 1,
      ended: 2,
      startMillis: 1,
      notes: '',
      jobId: '',
      sourceShutdown: '',
    });
    transaction.put(recoveriesOf, `${MACHINE}/${OPERATION}`, {});
    const about = {
      kind: 'protect',
      machineId: MACHINE,
      protectionId: id('c'),
      startedBy: 'anna',
      input: { releases: OPERATION },
    } as const;
    return startJob(transaction, planOf(store).plans.protect, about).id;
  });
  return { store, job: result };
};

/** Carries the step out over `store` until it is done or the program is dead; `there` are servers that release what they are told to. */
const run = async (store: StateStore, real: StateStore, job: string, there: readonly string[]): Promise<readonly string[]> => {
  const stop = new AbortController();
  const servers: ServerPresence = createPresence();
  const told: string[] = [];
  const reader = {
    get: <T>(kind: Parameters<typeof find<T>>[1], key: string) => find<T>(real, kind, key),
    async list<T>(kind: Parameters<typeof find<T>>[1], within: string) {
      const all = [];
      for await (const one of listAll<T>(real, kind, within)) all.push(one);
      return all;
    },
  };
  const sessions = there.map((server) => ({
    server,
    session: servers.open(server, create(ServerHelloSchema, { vaults: ['office'], endpoints: ['x:1'] }), () => undefined),
  }));
  const serving = (async () => {
    for await (const _ of real.watch(0, stop.signal))
      for (const { server, session } of sessions) {
        const wanted = await releasesWanted(reader, server);
        if (wanted.length > 0) told.push(server);
        session.reported(create(ServerReportSchema, { releases: wanted.map(({ operationId }) => ({ operationId, released: true })) }));
      }
  })().catch(() => undefined);
  const step = releaseFenceStep(store, servers);
  const last = { name: 'the rest', apply: async () => 'done' };
  const rest = planOf(store).plans.protect.steps;
  const steps = typeof rest === 'function' ? rest({ machineId: MACHINE, input: {} }).map(() => last) : [];
  const own: JobPlan = { steps: [step, ...steps], cancelled: async () => undefined, failed: async () => undefined };
  const notifier = createNotifier(store);
  const plans = Object.fromEntries(Object.keys(planOf(store).plans).map((kind) => [kind, own])) as ReturnType<typeof planOf>['plans'];
  const changes = notifier.run(stop.signal);
  const work = createJobEngine({ store, notifier, plans, log })
    .run(stop.signal)
    .catch(() => stop.abort());
  await untilEnded(real, job, AbortSignal.any([stop.signal, AbortSignal.timeout(30_000)]));
  stop.abort();
  await Promise.all([changes, work, serving]);
  return told;
};

const remains = async (store: StateStore, job: string) => ({
  job: (await find(store, jobs, job))!.value.state,
  order: await find(store, fenceReleases, OPERATION),
  state: (await find(store, recoveries, OPERATION))!.value.state,
  fenced: (await committedFailover(store, MACHINE, 'office')) !== undefined,
  audits: (await store.audit({ limit: 10 })).map(({ action, actor }) => [action, actor]),
});

const GOOD = { job: 'succeeded', order: undefined, state: 'committed', fenced: false, audits: [['ReleaseFence', 'anna']] };

describe('the release of a committed fence', () => {
  it('is told once to one who holds the vault, and ends the same wherever the program is killed', async () => {
    for (const when of ['before', 'after'] as const)
      for (let death = 0; ; death += 1) {
        const { store, job } = await prepare();
        const mortal = dying(store, death, when);
        await run(mortal, store, job, [SERVER, OTHER]);
        if (!mortal.died()) break;
        await run(store, store, job, [SERVER, OTHER]);
        expect([when, death, await remains(store, job)]).toEqual([when, death, GOOD]);
      }
  }, 60_000);

  it('goes to another one where the first is away', async () => {
    const { store, job } = await prepare();
    expect(await committedFailover(store, MACHINE, 'office')).toBeDefined();
    expect(await committedFailover(store, MACHINE, 'elsewhere')).toBeUndefined();
    // That it was left to its owner opens nothing.
    await transact(store, async (transaction) => {
      const before = (await transaction.read(recoveries, OPERATION))!.value;
      transaction.put(recoveries, OPERATION, { ...before, state: 'forgotten' });
    });
    expect(await committedFailover(store, MACHINE, 'office')).toBeDefined();
    await transact(store, async (transaction) =>
      transaction.put(fenceReleases, OPERATION, { serverId: SERVER, machineId: MACHINE, vault: 'office' }),
    );
    expect(new Set(await run(store, store, job, [OTHER]))).toEqual(new Set([OTHER]));
    expect(await remains(store, job)).toEqual({ ...GOOD, state: 'forgotten' });
  });
});
