import { Direction, idText, type Job, JobService, JobState, ProtectionState, RecoveryGoal, RecoveryService } from '@holdfast/protocol';
import { endTestServers, type TestServer } from '../conformance/test-server.ts';
import { openProtectedSite, type RecoverySite, recoveriesOf, stateOf } from '../testing/recovery-site.ts';

const ended = async (server: TestServer, job: Job | undefined): Promise<Job> => {
  for await (const { job: now } of server.api(JobService).watchJob({ id: job!.id })) if (now!.endedUnixMillis > 0n) return now!;
  throw new Error('the watch ended before the job');
};
const until = async (what: string, look: () => boolean | Promise<boolean>): Promise<void> => {
  for (const end = Date.now() + 30_000; !(await look()); await new Promise((resolve) => setTimeout(resolve, 10)))
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
};

describe('a failover that brings its source to rest', () => {
  let site: RecoverySite;
  const told = () => site.agent.states.at(-1)!.protection!;

  beforeEach(async () => {
    site = await openProtectedSite();
  });
  afterEach(endTestServers);

  /** One whose process server fails at the goal, with a source that rests. */
  const fails = async (goal: RecoveryGoal): Promise<Job> => {
    site.hold(goal, { code: 'NO_PERMISSION' });
    const about = { machine: 'web1', point: 'latest-processed', shutdownSource: true, direction: Direction.FORWARD };
    const { job } = await site.server.api(RecoveryService).failover(about);
    await until('the source is asked to rest', () => told().shutdownRequest !== undefined);
    site.agent.report({ shutdownAnswer: { requestId: told().shutdownRequest!.id, atRest: true } });
    const end = await ended(site.server, job);
    expect([end.state, end.problemCode]).toEqual([JobState.FAILED, 'NO_PERMISSION']);
    return end;
  };

  it('keeps it at rest while it stands still, and powers it off when it goes on', async () => {
    const job = await fails(RecoveryGoal.FENCED);
    const asked = told().shutdownRequest!;
    site.letGo();
    await site.server.api(JobService).retryJob({ id: job.id });
    await until('it is to power off', () => told().shutdownRequest?.powerOff === true);
    expect(idText(told().shutdownRequest!.id)).toBe(idText(asked.id));
    site.agent.report({ shutdownAnswer: { requestId: asked.id, atRest: true, poweringOff: true } });
    await until('it is failed over', async () => (await stateOf(site.server)) === ProtectionState.FAILED_OVER);
    expect(await recoveriesOf(site.server, true)).toMatchObject([{ sourceShutdown: 'it powers off' }]);
  });

  it('asks for rest again before a point is taken anew, as long as the source may have sent', async () => {
    const job = await fails(RecoveryGoal.HELD);
    site.hold(RecoveryGoal.FENCED);
    // It was switched on in between: its answer is not what it was.
    site.agent.report({});
    await site.server.api(JobService).retryJob({ id: job.id });
    const steps = async () => (await site.server.api(JobService).getJob({ id: job.id })).job!.steps;
    await until('it waits for the source', async () => (await steps())[0]!.detail === 'the source comes to rest');
    expect(site.goals).toEqual([RecoveryGoal.HELD]);
    site.agent.report({ shutdownAnswer: { requestId: told().shutdownRequest!.id, atRest: true } });
    await until('it goes on', () => site.goals.at(-1) === RecoveryGoal.FENCED);
  });

  it('lets it go on when it is cancelled', async () => {
    await fails(RecoveryGoal.FENCED);
    site.hold(RecoveryGoal.DISCARDED);
    const { job } = await site.server.api(RecoveryService).cancelFailover({ machine: 'web1' });
    await until('the machine goes', () => site.goals.at(-1) === RecoveryGoal.DISCARDED);
    expect(told().shutdownRequest).toBeDefined();
    site.letGo();
    expect((await ended(site.server, job)).state).toBe(JobState.SUCCEEDED);
    await until('it goes on', () => told().shutdownRequest === undefined && told().processServers.length > 0);
  });
});
