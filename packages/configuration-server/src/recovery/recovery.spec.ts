import {
  AuditService,
  CheckResult,
  Direction,
  DiskPhase,
  idText,
  JobService,
  JobState,
  MachineService,
  ProtectionService,
  ProtectionState,
  RecoveryGoal,
  RecoveryKind,
  RecoveryService,
  RecoveryStage,
  RecoveryState,
  ServerService,
} from '@holdfast/protocol';
import { connectAgent, connectServer, diskReport } from '../conformance/test-member.ts';
import { codeOf, endTestServers, enrolMember, startTestServer } from '../conformance/test-server.ts';
import { ended, openProtectedSite, pointId, type RecoverySite, recoveriesOf, stateOf, until } from '../testing/recovery-site.ts';

const { HELD, FENCED, RUNNING, INDEPENDENT, DISCARDED, RELEASED } = RecoveryGoal;
const FORWARD = { direction: Direction.FORWARD } as const;

describe('recovery', () => {
  let site: RecoverySite;
  const api = () => site.server.api(RecoveryService);

  beforeEach(async () => {
    site = await openProtectedSite();
  });
  afterEach(endTestServers);

  /** A failover that runs. */
  const failOver = async (more: object = {}) => {
    const { job } = await api().failover({ machine: 'web1', point: 'latest-processed', ...FORWARD, ...more });
    const end = await ended(site.server, job);
    expect([end.state, end.problem]).toEqual([JobState.SUCCEEDED, '']);
    return end;
  };

  it('lists points and says what a word stands for', async () => {
    const first = await api().listPoints({ machine: 'web1', pageSize: 2 });
    expect([first.points.map(({ id }) => id[0]), first.total]).toEqual([['c', 'b'], 3n]);
    const second = await api().listPoints({ machine: 'web1', pageSize: 2, pageToken: first.nextPageToken });
    expect([second.points.map(({ id }) => id[0]), second.nextPageToken]).toEqual([['a'], '']);
    const resolved = async (point: string) => (await api().resolvePoint({ machine: 'web1', point })).point?.id[0];
    expect(await resolved('')).toBe('c');
    expect(await resolved('latest')).toBe('c');
    expect(await resolved('latest-application')).toBe('b');
    expect(await resolved('2026-11-22T11:30:00Z')).toBe('b');
    expect(await resolved('aaaa')).toBe('a');
    expect(await codeOf(resolved('2026-11-22T09:00:00Z'))).toBe('POINT_NOT_FOUND');
    expect(await codeOf(resolved('yesterday'))).toBe('REQUEST_INVALID');
    expect(await codeOf(resolved('latest-group'))).toBe('UNSUPPORTED_OPERATION');
    expect(await codeOf(resolved('2026-11-22T09:00'))).toBe('REQUEST_INVALID');
  });

  it('tests a failover beside the replication, and cleans up with notes', async () => {
    const { job, recovery } = await api().testFailover({ machine: 'web1', point: 'bbbb' });
    const end = await ended(site.server, job);
    expect([end.state, end.direction, end.kind]).toEqual([JobState.SUCCEEDED, Direction.FORWARD, 'test-failover']);
    expect(site.goals).toEqual([HELD, RUNNING]);
    expect(site.wanted()).toMatchObject([{ pointId: pointId('b'), goal: RUNNING, machineName: 'web1' }]);
    expect(await stateOf(site.server)).toBe(ProtectionState.PROTECTED);
    expect(site.agent.states.at(-1)!.protection!.processServers).not.toEqual([]);
    expect(await recoveriesOf(site.server, true)).toMatchObject([
      { id: recovery!.id, state: RecoveryState.RUNNING, point: { id: 'b'.repeat(32) } },
    ]);
    expect(await codeOf(api().testFailover({ machine: 'web1' }))).toBe('OPERATION_REFUSED');
    expect(await codeOf(site.server.api(ProtectionService).unprotect({ machine: 'web1' }))).toBe('OPERATION_REFUSED');

    const { job: cleaning } = await api().cleanUpTest({ machine: 'web1', notes: 'the login worked' });
    expect((await ended(site.server, cleaning)).state).toBe(JobState.SUCCEEDED);
    await until('nothing is wanted', () => site.wanted().length === 0);
    expect(await recoveriesOf(site.server, true)).toEqual([]);
    expect(await recoveriesOf(site.server)).toMatchObject([{ state: RecoveryState.ENDED, notes: 'the login worked' }]);
    expect(await codeOf(api().cleanUpTest({ machine: 'web1' }))).toBe('OPERATION_REFUSED');
    expect(await codeOf(api().cleanUpTest({ recovery: recovery!.id }))).toBe('REQUEST_INVALID');
  });

  it('fails over: held, fenced, running; the source is silent and keeps tracking', async () => {
    await failOver();
    expect(site.goals).toEqual([HELD, FENCED, RUNNING]);
    expect(await stateOf(site.server)).toBe(ProtectionState.FAILED_OVER);
    const told = await site.agent.until((state) => (state.protection?.failedOverOperationId.length ?? 0) > 0);
    expect(told.protection).toMatchObject({ processServers: [], diskIds: [expect.anything()] });
    expect(idText(told.protection!.failedOverOperationId)).toBe((await recoveriesOf(site.server, true))[0]!.id);
    // Its return after a restart is no way around that.
    const again = connectAgent(site.server, site.machine, 'web1');
    const first = await again.until(() => true);
    expect(first.protection).toMatchObject({ processServers: [] });
    await again.close();
    expect(await codeOf(api().failover({ machine: 'web1', ...FORWARD }))).toBe('OPERATION_REFUSED');
  });

  it('asks for the direction, and for a point that is', async () => {
    expect(await codeOf(api().failover({ machine: 'web1' }))).toBe('REQUEST_INVALID');
    expect(await codeOf(api().failover({ machine: 'web1', direction: Direction.REVERSE }))).toBe('REQUEST_INVALID');
    const { job } = await api().failover({ machine: 'web1', point: 'dddd', ...FORWARD });
    const end = await ended(site.server, job);
    expect([end.state, end.problemCode]).toEqual([JobState.FAILED, 'POINT_NOT_FOUND']);
    expect(end.problem).toContain('thinned');
    // Nothing was made, and the machine goes on.
    expect(await stateOf(site.server)).toBe(ProtectionState.PROTECTED);
    expect([site.goals, await recoveriesOf(site.server, true)]).toEqual([[], []]);
  });

  it('refuses a second failover by name while the first one works', async () => {
    site.hold(RUNNING);
    const { job } = await api().failover({ machine: 'web1', point: 'latest-processed', ...FORWARD });
    expect(await codeOf(api().failover({ machine: 'web1', ...FORWARD }))).toMatch(/OPERATION_REFUSED|JOB_RUNNING/);
    expect(await codeOf(api().testFailover({ machine: 'web1' }))).toMatch(/OPERATION_REFUSED|JOB_RUNNING/);
    site.letGo();
    expect((await ended(site.server, job)).state).toBe(JobState.SUCCEEDED);
    const both = await Promise.all([1, 2].map(() => codeOf(api().changePoint({ machine: 'web1', point: 'aaaa' }))));
    expect(both.toSorted()).toEqual(['JOB_RUNNING', 'no error']);
  });

  it('changes the point with a run of its own', async () => {
    await failOver();
    const before = idText(site.wanted()[0]!.runId);
    expect(await codeOf(api().changePoint({ machine: 'web1', point: 'latest' }))).toBe('REQUEST_INVALID');
    const { job } = await api().changePoint({ machine: 'web1', point: 'aaaa' });
    expect((await ended(site.server, job)).state).toBe(JobState.SUCCEEDED);
    expect(site.wanted()).toMatchObject([{ pointId: pointId('a'), goal: RUNNING }]);
    expect(idText(site.wanted()[0]!.runId)).not.toBe(before);
    expect(await stateOf(site.server)).toBe(ProtectionState.FAILED_OVER);
    // A point that is gone changes nothing.
    const { job: wrong } = await api().changePoint({ machine: 'web1', point: 'dddd' });
    expect((await ended(site.server, wrong)).problemCode).toBe('POINT_NOT_FOUND');
    expect(site.wanted()).toMatchObject([{ pointId: pointId('a') }]);
    expect(await stateOf(site.server)).toBe(ProtectionState.FAILED_OVER);
  });

  it('cancels: the machine goes first, then the source may send again', async () => {
    await failOver();
    site.hold(DISCARDED);
    const { job } = await api().cancelFailover({ machine: 'web1' });
    await until('the machine goes', () => site.goals.at(-1) === DISCARDED);
    expect(site.agent.states.at(-1)!.protection!.processServers).toEqual([]);
    site.letGo();
    expect((await ended(site.server, job)).state).toBe(JobState.SUCCEEDED);
    expect(site.goals.slice(-2)).toEqual([DISCARDED, RELEASED]);
    const told = await site.agent.until(
      (state) => state === site.agent.states.at(-1) && (state.protection?.processServers.length ?? 0) > 0,
    );
    expect(told.protection!.failedOverOperationId).toHaveLength(0);
    expect(await stateOf(site.server)).toBe(ProtectionState.PROTECTED);
    await until('nothing is wanted', () => site.wanted().length === 0);
    await failOver();
  });

  it('says before a commit what is kept and what is deleted, then commits for good', async () => {
    await failOver();
    const preview = await api().commitFailover({ machine: 'web1', preview: true });
    expect(preview.job).toBeUndefined();
    expect(preview.kept.join()).toContain('web1');
    expect(preview.deleted.join()).toContain('another point');
    const { job } = await api().commitFailover({ machine: 'web1' });
    expect((await ended(site.server, job)).state).toBe(JobState.SUCCEEDED);
    expect(site.wanted()).toMatchObject([{ goal: INDEPENDENT }]);
    expect(await stateOf(site.server)).toBe(ProtectionState.COMMITTED);
    for (const call of [api().cancelFailover({ machine: 'web1' }), api().changePoint({ machine: 'web1', point: 'aaaa' })])
      expect(await codeOf(call)).toBe('OPERATION_REFUSED');
    // The source is told nothing is wanted of it.
    await site.agent.until((state) => state.protection === undefined && state.revision > 1n);
    expect(await codeOf(site.server.api(ProtectionService).operate({ machine: 'web1', operation: 'reprotect' }))).toBe(
      'UNSUPPORTED_OPERATION',
    );
  });

  it('takes a commit back while the disks are copied', async () => {
    await failOver();
    site.hold(INDEPENDENT);
    const { job } = await api().commitFailover({ machine: 'web1' });
    await until('it is at it', () => site.goals.at(-1) === INDEPENDENT);
    await site.server.api(JobService).cancelJob({ id: job!.id });
    expect((await ended(site.server, job)).state).toBe(JobState.CANCELLED);
    await until('it is as before', () => site.goals.at(-1) === RUNNING);
    expect(await stateOf(site.server)).toBe(ProtectionState.FAILED_OVER);
  });

  it('protects again what was committed only when somebody says so, and then releases its fence', async () => {
    await failOver();
    await ended(site.server, (await api().commitFailover({ machine: 'web1' })).job);
    const [committed] = await recoveriesOf(site.server);
    const protections = site.server.api(ProtectionService);
    const { job: ending } = await protections.unprotect({ machine: 'web1' });
    await until('nothing is wanted of it', () => site.agent.states.at(-1)!.protection === undefined);
    site.agent.report({ revision: site.agent.states.at(-1)!.revision });
    await ended(site.server, ending);
    const check = await site.server.api(MachineService).checkMachine({ machine: 'web1', wanted: { machine: 'web1', vault: 'office' } });
    expect(check.passed).toBe(true);
    const finding = check.findings.find(({ code }) => code === 'line-open')!;
    expect([finding.result, finding.text]).toEqual([
      CheckResult.WARNING,
      expect.stringMatching(/failed over for good on 20.* to point cccccccc of .*source again/),
    ]);
    const revision = BigInt(site.agent.states.at(-1)!.revision);
    await expect(protections.protect({ machine: 'web1' })).rejects.toThrow(/--source-again/);
    expect((await protections.listProtections({})).protections).toEqual([]);
    const audit = async () => (await site.server.api(AuditService).listAudit({})).records.filter(({ action }) => action === 'ReleaseFence');
    expect(await audit()).toEqual([]);

    const { job, warnings } = await protections.protect({ machine: 'web1', sourceAgain: true });
    expect(warnings.map(({ code }) => code)).toContain('line-open');
    expect(job!.steps[0]!.name).toBe('make it the source again');
    const told = await site.agent.until((state) => state.protection !== undefined && state.revision > revision);
    site.agent.report(diskReport(told.revision, DiskPhase.REPLICATING));
    expect((await ended(site.server, job)).state).toBe(JobState.SUCCEEDED);
    expect(await audit()).toMatchObject([{ subject: site.machine.id, detail: `web1 ${committed!.id}` }]);
    // What was failed over to is nobody's to end.
    expect(site.wanted()).toMatchObject([{ goal: INDEPENDENT }]);
    // It fails over again as any other.
    await failOver();
  });

  it('takes back what a cancelled start has made', async () => {
    for (const at of [HELD, FENCED, RUNNING]) {
      site.hold(at);
      const { job } = await api().failover({ machine: 'web1', point: 'latest-processed', ...FORWARD });
      await until('it is there', () => site.goals.at(-1) === at);
      await site.server.api(JobService).cancelJob({ id: job!.id });
      expect((await ended(site.server, job)).state).toBe(JobState.CANCELLED);
      site.letGo();
      await until('the machine is protected again', async () => (await stateOf(site.server)) === ProtectionState.PROTECTED);
      await until('nothing is wanted', () => site.wanted().length === 0);
      expect(site.goals.at(-1)).toBe(RELEASED);
    }
    site.hold(RUNNING);
    const { job } = await api().testFailover({ machine: 'web1' });
    await until('it starts', () => site.goals.at(-1) === RUNNING);
    await site.server.api(JobService).cancelJob({ id: job!.id });
    await until('the test is gone', async () => (await recoveriesOf(site.server, true)).length === 0);
    expect(site.goals.at(-1)).toBe(RELEASED);
  });

  it('stands still where a start fails, and goes on by a retry, another point or a cancel', async () => {
    site.hold(RUNNING, { code: 'TOOL_MISSING' });
    const { job } = await api().failover({ machine: 'web1', point: 'latest-processed', ...FORWARD });
    const end = await ended(site.server, job);
    expect([end.state, end.problemCode, end.retryable]).toEqual([JobState.FAILED, 'TOOL_MISSING', true]);
    expect(await stateOf(site.server)).toBe(ProtectionState.FAILING_OVER);
    const run = idText(site.wanted()[0]!.runId);
    site.letGo();
    await site.server.api(JobService).retryJob({ id: job!.id });
    await until('it is failed over', async () => (await stateOf(site.server)) === ProtectionState.FAILED_OVER);
    expect(idText(site.wanted()[0]!.runId)).not.toBe(run);
    site.hold(RUNNING, { code: 'TOOL_MISSING' });
    const { job: changing } = await api().changePoint({ machine: 'web1', point: 'bbbb' });
    expect((await ended(site.server, changing)).state).toBe(JobState.FAILED);
    site.letGo();
    const { job: cancelling } = await api().cancelFailover({ machine: 'web1' });
    expect((await ended(site.server, cancelling)).state).toBe(JobState.SUCCEEDED);
  });

  it('orders anew from its process server what failed there on the way back', async () => {
    const run = (): string => idText(site.wanted()[0]!.runId);
    await failOver();
    for (const again of ['retry', 'order'] as const) {
      site.hold(DISCARDED, { code: 'NO_PERMISSION' });
      const { job } = await api().cancelFailover({ machine: 'web1' });
      expect((await ended(site.server, job)).problemCode).toBe('NO_PERMISSION');
      const before = run();
      site.hold(DISCARDED);
      if (again === 'retry') await site.server.api(JobService).retryJob({ id: job!.id });
      else await api().cancelFailover({ machine: 'web1' });
      await until('a new run', () => run() !== before);
      // Never one that runs.
      expect(site.goals.at(-1)).toBe(DISCARDED);
      site.letGo();
      await until('it is taken back', async () => (await stateOf(site.server)) === ProtectionState.PROTECTED);
      await until('nothing is wanted', () => site.wanted().length === 0);
      await failOver();
    }
    const { job: test } = await api().testFailover({ machine: 'web1' });
    expect((await ended(site.server, test)).state).toBe(JobState.SUCCEEDED);
    const runOfTest = (): string => idText(site.wanted().find(({ kind }) => kind === RecoveryKind.TEST)!.runId);
    site.hold(RELEASED, { code: 'NO_PERMISSION' });
    const { job: cleaning } = await api().cleanUpTest({ machine: 'web1' });
    expect((await ended(site.server, cleaning)).problemCode).toBe('NO_PERMISSION');
    const before = runOfTest();
    site.hold(RELEASED);
    await site.server.api(JobService).retryJob({ id: cleaning!.id });
    await until('a new run', () => runOfTest() !== before);
    site.letGo();
    await until('the test is gone', async () => (await recoveriesOf(site.server, true)).length === 1);
  });

  it('can be left when its process server is lost: removed by force, another one goes on', async () => {
    const second = await enrolMember(site.server, 'process-server', 'gw2', { endpoints: ['127.0.0.1:2'] });
    await failOver();
    const stream = connectServer(site.server, second, { fabrics: [{ name: 'qemu', ready: true, detail: 'QEMU 7.2' }] });
    await stream.until(() => true);
    const servers = site.server.api(ServerService);
    const remove = async (force: boolean) =>
      servers.removeServer({
        server: 'gw1',
        force,
        version: (await servers.listServers({})).servers.find(({ name }) => name === 'gw1')!.version,
      });
    expect(await codeOf(remove(false))).toBe('SERVER_IN_USE');
    await remove(true);
    const { job, recovery } = await api().cancelFailover({ machine: 'web1' });
    expect(recovery!.processServerId).toBe(second.id);
    for (const goal of [DISCARDED, RELEASED]) {
      const { revision, recoveries } = await stream.until((state) => state.recoveries[0]?.goal === goal);
      const [{ id, runId }] = recoveries as [(typeof recoveries)[0]];
      stream.report({ revision, recoveries: [{ id, runId, goal, stage: RecoveryStage.REACHED }] });
    }
    expect((await ended(site.server, job)).state).toBe(JobState.SUCCEEDED);
    expect(await recoveriesOf(site.server, true)).toEqual([]);
  });

  it('goes on after the configuration server was killed at any moment', async () => {
    for (const goal of [HELD, FENCED, RUNNING]) {
      site.hold(goal);
      await api().failover({ machine: 'web1', point: 'latest-processed', ...FORWARD });
      await until('it is there', () => site.goals.at(-1) === goal);
      await site.server.stop();
      const again = await startTestServer({}, site.server.directory);
      site = { ...site, server: again };
      site.letGo();
      await site.reconnect(again);
      await until('it is failed over', async () => (await stateOf(again)) === ProtectionState.FAILED_OVER);
      const { job } = await api().cancelFailover({ machine: 'web1' });
      expect((await ended(again, job)).state).toBe(JobState.SUCCEEDED);
      await until('nothing is wanted', () => site.wanted().length === 0);
    }
  }, 120_000);

  it('lists what is possible, by the table', async () => {
    const allowed = async () =>
      (await api().listOperations({ machine: 'web1' })).operations.filter((one) => one.allowed).map(({ operation }) => operation);
    expect(await allowed()).toContain('failover');
    await failOver();
    expect(await allowed()).toEqual(['test-failover', 'prove', 'change-point', 'cancel-failover', 'commit', 'start-machine']);
    const { operations } = await api().listOperations({ machine: 'web1' });
    expect(operations.find(({ operation }) => operation === 'failover')).toMatchObject({
      problemCode: 'OPERATION_REFUSED',
      why: expect.stringContaining('it is failed over'),
      remedy: 'commit or cancel the failover first',
    });
  });
});
