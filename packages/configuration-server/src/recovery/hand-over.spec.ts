import {
  Direction,
  idText,
  JobService,
  JobState,
  ProtectionState,
  RecoveryGoal,
  RecoveryService,
  RecoveryStage,
  RecoveryState,
  ServerService,
} from '@holdfast/protocol';
import { connectServer, type ServerStream } from '../conformance/test-member.ts';
import { codeOf, endTestServers, enrolMember } from '../conformance/test-server.ts';
import { answers, ended, openProtectedSite, type RecoverySite, recoveriesOf, stateOf, until } from '../testing/recovery-site.ts';

const { RUNNING, DISCARDED, RELEASED } = RecoveryGoal;

describe('a recovery whose process server is away', () => {
  let site: RecoverySite;
  let second: Awaited<ReturnType<typeof enrolMember>>;
  let stream: ServerStream;
  const api = () => site.server.api(RecoveryService);

  beforeEach(async () => {
    site = await openProtectedSite();
    second = await enrolMember(site.server, 'process-server', 'gw2', { endpoints: ['127.0.0.1:2'] });
    const { job } = await api().failover({ machine: 'web1', point: 'aaaa', direction: Direction.FORWARD });
    expect((await ended(site.server, job)).state).toBe(JobState.SUCCEEDED);
    stream = connectServer(site.server, second, { fabrics: [{ name: 'qemu', ready: true, detail: 'QEMU 7.2' }] });
    await stream.until(() => true);
  });
  afterEach(endTestServers);

  /** The second one does what it is told. */
  const serve = async (goal: RecoveryGoal): Promise<void> => {
    const { revision, recoveries } = await stream.until((state) => state.recoveries[0]?.goal === goal);
    const [{ id, runId }] = recoveries as [(typeof recoveries)[0]];
    stream.report({ revision, recoveries: [{ id, runId, goal, stage: RecoveryStage.REACHED }] });
  };
  /** The first one is away. */
  const leave = async (): Promise<void> => {
    await site.disconnect();
    await until('gw1 is away', async () => {
      const { servers } = await site.server.api(ServerService).listServers({});
      return servers.some(({ name, connected }) => name === 'gw1' && !connected);
    });
  };

  it('is handed over, and the first one removes what it runs when it comes back', async () => {
    expect(await codeOf(api().cancelFailover({ machine: 'web1', handOver: true }))).toBe('REQUEST_INVALID');
    await leave();
    const { job, recovery } = await api().cancelFailover({ machine: 'web1', handOver: true });
    expect(recovery!.processServerId).toBe(second.id);
    for (const goal of [DISCARDED, RELEASED]) await serve(goal);
    expect((await ended(site.server, job)).state).toBe(JobState.SUCCEEDED);
    expect(await stateOf(site.server)).toBe(ProtectionState.PROTECTED);

    const servers = site.server.api(ServerService);
    const [gw1] = (await servers.listServers({})).servers.filter(({ name }) => name === 'gw1');
    expect(await codeOf(servers.removeServer({ server: 'gw1', version: gw1!.version }))).toBe('SERVER_IN_USE');
    const before = site.goals.length;
    await site.reconnect(site.server);
    await until('gw1 removed all of it', () => site.goals.length === before + 2 && site.wanted().length === 0);
    expect(site.goals.slice(-2)).toEqual([DISCARDED, RELEASED]);
    expect(await recoveriesOf(site.server, true)).toEqual([]);
  });

  it('says that nothing runs when its hand-over is cancelled before there is another point, and starts when there is one', async () => {
    await leave();
    const { job } = await api().changePoint({ machine: 'web1', point: 'latest-processed', handOver: true });
    const { questions: first } = await stream.until(({ questions }) => questions.length === 1);
    await site.server.api(JobService).cancelJob({ id: job!.id });
    expect((await ended(site.server, job)).state).toBe(JobState.CANCELLED);
    expect(await recoveriesOf(site.server, true)).toMatchObject([{ state: RecoveryState.FAILED, processServerId: second.id }]);
    expect(await stateOf(site.server)).toBe(ProtectionState.FAILING_OVER);

    const again = await api().changePoint({ machine: 'web1', point: 'latest-processed' });
    const asked = await stream.until(({ questions: [one] }) => one !== undefined && idText(one.id) !== idText(first[0]!.id));
    stream.report({ revision: asked.revision, answers: answers(asked) });
    await serve(RUNNING);
    expect((await ended(site.server, again.job)).state).toBe(JobState.SUCCEEDED);
    expect(await stateOf(site.server)).toBe(ProtectionState.FAILED_OVER);
  });
});
