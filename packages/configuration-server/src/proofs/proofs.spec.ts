import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Log } from '@holdfast/daemon';
import {
  Direction,
  type Job,
  JobService,
  JobState,
  MachineService,
  PointKind,
  PolicySchema,
  type ProofScheduleSchema,
  ProtectionSchema,
  ProtectionState,
  RecoveryPlanSchema,
  RecoveryService,
} from '@holdfast/protocol';
import { type MachineFacts, machineConditions, type Thresholds } from '../alerts/conditions.ts';
import { codeOf, endTestServers } from '../conformance/test-server.ts';
import { jobs } from '../jobs/job-record.ts';
import { recoveryPlans } from '../plans/plan-record.ts';
import { find, listAll } from '../records/kind.ts';
import { machines, policies, protections, SITE, sites } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import type { StateStore } from '../state/state-store.ts';
import { dying, planOf, runProgram } from '../testing/job-program.ts';
import { openRecoverySite, pointId, type RecoverySite } from '../testing/recovery-site.ts';
import { oldestAllowed, proofSchedules, proveDue } from './keep-proving.ts';
import { startProof } from './proof-plan.ts';
import { type MachineProofs, machineProofs, NO_PROOFS, type ProofSummary, proofOrders } from './proof-record.ts';

const HOUR = 3_600_000;
const log: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined, child: () => log };
const id = (digit: string): string => digit.repeat(32);

describe('a proof by a process server', () => {
  let site: RecoverySite;
  const api = () => site.server.api(RecoveryService);
  const ended = async (job: Job | undefined): Promise<Job> => {
    for await (const { job: now } of site.server.api(JobService).watchJob({ id: job!.id })) if (now!.endedUnixMillis > 0n) return now!;
    throw new Error('the watch ended before the job');
  };
  const machine = async () => (await site.server.api(MachineService).getMachine({ machine: 'web1' })).machine!;

  beforeEach(async () => {
    site = await openRecoverySite();
    for (const job of (await site.server.api(JobService).listJobs({})).jobs) await ended(job);
  });
  afterEach(endTestServers);

  it('is a job that is in nobody’s way, and its result is told with the machine', async () => {
    expect((await machine()).lastProof).toBeUndefined();
    site.prove(undefined);
    const { job } = await api().provePoint({ machine: 'web1', point: 'bbbb' });
    expect(await codeOf(api().provePoint({ machine: 'web1' }))).toBe('JOB_RUNNING');
    // The bad day does not wait for a proof.
    const { job: failover } = await api().failover({ machine: 'web1', point: 'latest-processed', direction: Direction.FORWARD });
    expect((await ended(failover)).state).toBe(JobState.SUCCEEDED);
    site.prove('passed');
    const end = await ended(job);
    expect([end.state, end.kind, end.steps.at(-1)!.detail]).toEqual([JobState.SUCCEEDED, 'proof', 'it is proven']);
    const { lastProven, lastProof } = await machine();
    expect(lastProven).toMatchObject({ number: 1n, pointId: 'b'.repeat(32), passed: true, signer: 'ab'.repeat(32) });
    expect(lastProof).toEqual(lastProven);
    site.prove('failed');
    const failed = await ended((await api().provePoint({ machine: 'web1' })).job);
    expect([failed.state, failed.steps.at(-1)!.detail]).toEqual([JobState.SUCCEEDED, 'it is NOT proven: console: waited in vain']);
    expect(await machine()).toMatchObject({
      lastProven: { number: 1n },
      lastProof: { number: 2n, passed: false, pointId: 'c'.repeat(32) },
    });
    site.prove({ code: 'FABRIC_FAILED' });
    const none = await ended((await api().provePoint({ machine: 'web1' })).job);
    expect([none.state, none.problemCode]).toEqual([JobState.FAILED, 'PROOF_FAILED']);
    expect(none.problem).toContain('FABRIC_FAILED: it does not work');
    expect(await machine()).toMatchObject({ lastProof: { number: 2n } });
  });

  it('can be cancelled, and asks for what makes sense', async () => {
    site.prove(undefined);
    const { job } = await api().provePoint({ machine: 'web1' });
    await site.server.api(JobService).cancelJob({ id: job!.id });
    expect((await ended(job)).state).toBe(JobState.CANCELLED);
    expect(await codeOf(api().provePoint({ machine: 'web1', point: 'yesterday' }))).toBe('REQUEST_INVALID');
    expect(await codeOf(api().provePoint({ machine: 'web1', checks: { everyHours: 24, script: '/bin/sh' } }))).toBe('REQUEST_INVALID');
    expect(await codeOf(api().provePoint({ machine: 'nobody' }))).toBe('MACHINE_NOT_FOUND');
    site.prove('passed');
    expect((await ended((await api().provePoint({ machine: 'web1' })).job)).state).toBe(JobState.SUCCEEDED);
  });

  it('is refused at once where no process server can start machines', async () => {
    await site.disconnect();
    await site.reconnect(site.server, 'QEMU is not installed');
    await expect(api().provePoint({ machine: 'web1' })).rejects.toThrow('QEMU is not installed');
    expect(await codeOf(api().provePoint({ machine: 'web1' }))).toBe('PREREQUISITES_MISSING');
    expect((await site.server.api(JobService).listJobs({})).jobs.filter(({ kind }) => kind === 'proof')).toEqual([]);
  });

  it('is made of what the process server is told', async () => {
    site.prove(undefined);
    const { job } = await api().provePoint({ machine: 'web1', point: 'aaaa', checks: { console: 'ready', ports: [22] } });
    const told = await site.told((state) => state.proofs.length > 0);
    expect(told.proofs).toMatchObject([
      { machineName: 'web1', vault: 'office', pointId: pointId('a'), checks: { console: 'ready', ports: [22] } },
    ]);
    site.prove('passed');
    await ended(job);
    await site.told((state) => state.revision > told.revision && state.proofs.length === 0);
  });
});

const [MACHINE, PROTECTION, POLICY, PLAN] = [id('a'), id('c'), id('d'), id('e')];
const START = Date.parse('2026-11-22T00:00:00Z');

describe('scheduled proofs', () => {
  let store: StateStore;
  const plan = () => planOf(store).plans.proof;
  const prove = (now: number) => proveDue(store, plan(), log, now);
  const proofsNow = async () => (await find(store, machineProofs, MACHINE))?.value;
  const begun = async (): Promise<number> => {
    let count = 0;
    for await (const { value } of listAll(store, jobs)) if (value.kind === 'proof') count += 1;
    return count;
  };
  /** The job is over, however it went. */
  const end = () =>
    transact(store, async (transaction) => {
      for await (const { id: job, value } of listAll(store, jobs)) transaction.put(jobs, job, { ...value, state: 'succeeded' });
    });
  const schedule = (proof: MessageInitShape<typeof ProofScheduleSchema> | undefined) =>
    transact(store, async (transaction) => {
      const policy = create(PolicySchema, { name: 'p', ...(proof === undefined ? {} : { proof }) });
      transaction.put(policies, POLICY, policy);
    });

  beforeEach(async () => {
    store = createMemoryStore({ events: 100, audit: 100, changes: 1000 });
    jest.spyOn(Date, 'now').mockImplementation(() => START + 3 * HOUR);
    await transact(store, async (transaction) => {
      transaction.put(machines, MACHINE, { name: 'web1', agentVersion: '1', lastSeen: 0, protectionId: PROTECTION });
      const protection = { machineId: MACHINE, policyId: POLICY, vault: 'office', state: ProtectionState.PROTECTED };
      transaction.put(protections, PROTECTION, create(ProtectionSchema, protection));
    });
    await schedule({ everyHours: 24, atMinute: 120 });
  });
  afterEach(() => jest.restoreAllMocks());

  it('begin at their time of day, once, and not at the moment somebody makes the schedule', async () => {
    await prove(START + 3 * HOUR);
    await prove(START + 25.9 * HOUR);
    expect([await begun(), await proofsNow()]).toEqual([0, { ...NO_PROOFS, since: START + 3 * HOUR }]);
    jest.spyOn(Date, 'now').mockImplementation(() => START + 26 * HOUR);
    await prove(START + 26 * HOUR);
    await prove(START + 26.1 * HOUR);
    expect([await begun(), (await proofsNow())!.attempted]).toEqual([1, START + 26 * HOUR]);
    await end();
    await prove(START + 49 * HOUR);
    expect(await begun()).toBe(1);
    await prove(START + 50 * HOUR);
    expect(await begun()).toBe(2);
    // A schedule that is taken away and made anew begins anew.
    await end();
    await schedule(undefined);
    await prove(START + 60 * HOUR);
    expect((await proofsNow())!.since).toBe(0);
    await schedule({ everyHours: 1 });
    await prove(START + 60.5 * HOUR);
    expect(await begun()).toBe(2);
  });

  it('are those of the plans of a machine too', async () => {
    await schedule(undefined);
    expect((await proofSchedules(store)).size).toBe(0);
    const proof = { everyHours: 12, maxAgeHours: 20 };
    await transact(store, async (transaction) =>
      transaction.put(
        recoveryPlans,
        PLAN,
        create(RecoveryPlanSchema, { name: 'shop', groups: [{ machines: [{ machine: MACHINE }] }], proof }),
      ),
    );
    const own = (await proofSchedules(store)).get(MACHINE);
    expect([own, oldestAllowed(own)]).toMatchObject([[{ everyHours: 12 }], 20 * HOUR]);
    await prove(START + 3 * HOUR);
    await prove(START + 12 * HOUR);
    expect(await begun()).toBe(1);
  });

  it.each([
    ['it is failed over', ProtectionState.FAILED_OVER],
    ['it has no points', ProtectionState.COPYING],
  ])('wait while %s', async (_, state) => {
    await prove(START);
    await transact(store, async (transaction) => {
      const protection = await transaction.read(protections, PROTECTION);
      transaction.put(protections, PROTECTION, { ...protection!.value, state });
    });
    await prove(START + 3 * HOUR);
    expect(await begun()).toBe(0);
  });

  it('wait while the server is restored and does not know what is', async () => {
    await prove(START);
    await transact(store, async (transaction) =>
      transaction.put(sites, SITE, { id: id('9'), restored: { from: 'backup', made: 1, at: 2 } }),
    );
    await prove(START + 3 * HOUR);
    expect(await begun()).toBe(0);
  });

  it('are told to one process server, whenever the program is killed, and leave nothing behind when they are cancelled', async () => {
    jest.restoreAllMocks();
    const start = async (to: StateStore): Promise<string> => {
      const { result } = await transact(to, async (transaction) => {
        const machine = (await transaction.read(machines, MACHINE))!;
        return startProof(transaction, planOf(to).plans.proof, { machine, actor: 'anna', point: '', checks: undefined });
      });
      return result.id;
    };
    const job = await start(store);
    await transact(store, async (transaction) => {
      const stored = (await transaction.read(jobs, job))!;
      transaction.put(jobs, job, { ...stored.value, cancelling: true });
      transaction.put(proofOrders, stored.value.input!['proof']!, {
        serverId: id('b'),
        machineId: MACHINE,
        machineName: 'web1',
        vault: 'office',
        point: { id: id('f'), time: 1, kind: PointKind.CRASH, disks: [], unreadable: 0 },
        target: { fabric: 'qemu', network: '', testNetwork: '', size: 'same', address: 'dhcp', guestCredential: '' },
        checks: {},
      });
    });
    for (const when of ['before', 'after'] as const) {
      const mortal = dying(store, 0, when);
      await runProgram(mortal, store, job);
    }
    await runProgram(store, store, job);
    const left = [];
    for await (const order of listAll(store, proofOrders)) left.push(order);
    expect([(await find(store, jobs, job))!.value.state, left]).toEqual(['cancelled', []]);
  });
});

describe('alerts about proofs', () => {
  const passed: ProofSummary = { number: 1, point: id('b'), pointTime: 1, at: START, passed: true, signer: '', faults: [], steps: [] };
  const failed: ProofSummary = {
    ...passed,
    number: 2,
    at: START + HOUR,
    passed: false,
    steps: [{ name: 'console', passed: false, detail: 'in vain', seconds: 1 }],
  };
  const told = (proofs: Partial<MachineProofs>, oldest: number | undefined, now: number) => {
    const protection = create(ProtectionSchema, { state: ProtectionState.PROTECTED });
    const facts = { name: 'web1', protection, connected: true, missing: [], proofs: { proofs: { ...NO_PROOFS, ...proofs }, oldest } };
    return machineConditions(facts as unknown as MachineFacts, now, now, {} as Thresholds)
      .filter(({ code }) => code.startsWith('proof-'))
      .map(({ code, severity, text }) => [code, severity, text]);
  };

  it('tell that the last one failed, until one passes', () => {
    const [one, ...others] = told({ last: failed, lastProven: passed }, undefined, START + HOUR);
    expect([one, others]).toEqual([
      ['proof-failed', 'critical', expect.stringMatching(/web1: point bbbbbbbb did not come up: console: in vain/)],
      [],
    ]);
    expect(told({ last: passed, lastProven: passed }, undefined, START + HOUR)).toEqual([]);
    const problem = { code: 'FABRIC_FAILED', text: 'no QEMU', at: START + 2 * HOUR };
    expect(told({ last: failed, problem }, undefined, START + HOUR)).toEqual([
      ['proof-failed', 'warning', expect.stringContaining('no QEMU')],
    ]);
  });

  it('tell that the last proven point is too old, or that there is none', () => {
    expect(told({ lastProven: passed, last: passed, since: START }, 2 * HOUR, START + 2 * HOUR)).toEqual([]);
    expect(told({ lastProven: passed, last: passed, since: START }, 2 * HOUR, START + 3 * HOUR)).toEqual([
      ['proof-too-old', 'warning', expect.stringMatching(/proven .* ago; .* are allowed/)],
    ]);
    expect(told({ since: START }, 2 * HOUR, START + 3 * HOUR)).toMatchObject([
      ['proof-too-old', 'warning', expect.stringContaining('no point was proven')],
    ]);
    // Without a schedule nothing is too old.
    expect(told({ lastProven: passed, last: passed }, undefined, START + 900 * HOUR)).toEqual([]);
  });
});
