import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import {
  CheckResult,
  Direction,
  type Job,
  JobService,
  JobState,
  MachineService,
  PlanService,
  ProtectionService,
  ProtectionState,
  RecoveryGoal,
  RecoveryKind,
  RecoveryService,
} from '@holdfast/protocol';
import { codeOf, endTestServers, errorOf, startTestServer, type TestServer } from '../conformance/test-server.ts';
import { openRecoverySite, type RecoverySite, recoveriesOf } from '../testing/recovery-site.ts';

const RUN = { kind: RecoveryKind.TEST, direction: Direction.FORWARD } as const;
const manual = (text: string) => ({ action: { case: 'manual' as const, value: text } });
const script = (name: string) => ({ action: { case: 'script' as const, value: name } });

const until = async (what: string, look: () => boolean | Promise<boolean>): Promise<void> => {
  const end = Date.now() + 30_000;
  while (!(await look())) {
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

describe('recovery plans', () => {
  let directory: string;
  let site: RecoverySite;
  const plans = () => site.server.api(PlanService);
  const jobOf = async (server: TestServer, { id }: Pick<Job, 'id'>): Promise<Job> => (await server.api(JobService).getJob({ id })).job!;
  const ended = async (job: Job | undefined): Promise<Job> => {
    let now = job!;
    await until('the end of the job', async () => {
      now = await jobOf(site.server, now);
      return now.endedUnixMillis > 0n;
    });
    return now;
  };
  const answer = async (job: Job | undefined, choice: string, note = ''): Promise<void> => {
    await until('a question', async () => (await jobOf(site.server, job!)).question !== undefined);
    await site.server.api(JobService).answerJob({ id: job!.id, choice, note });
  };
  const runs = async () => (await plans().listRuns({ plan: 'shop' })).runs;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(homedir(), '.plans-'));
    await mkdir(path.join(directory, 'scripts'));
    site = await openRecoverySite({ 'plans.scripts': path.join(directory, 'scripts') }, ['web1', 'db1', 'app1']);
    await until('all are protected', async () => {
      const { protections } = await site.server.api(ProtectionService).listProtections({});
      return protections.length === 3 && protections.every(({ state }) => state === ProtectionState.PROTECTED);
    });
    for (const job of (await site.server.api(JobService).listJobs({})).jobs) await ended(job);
  });
  afterEach(async () => {
    await endTestServers();
    await rm(directory, { recursive: true });
  });

  const writeScript = async (name: string, then = 'exit 0'): Promise<void> => {
    const file = path.join(directory, 'scripts', name);
    await writeFile(
      file,
      `#!/bin/sh\necho "$HOLDFAST_PLAN $HOLDFAST_GROUP $HOLDFAST_PHASE $HOLDFAST_MACHINES" >> ${directory}/said\n${then}\n`,
    );
    await chmod(file, 0o755);
  };
  const said = () => readFile(path.join(directory, 'said'), 'utf8');

  it('goes through its groups in order, asks people, runs scripts, and says how long it took', async () => {
    await writeScript('dns');
    await plans().createPlan({
      plan: {
        name: 'shop',
        groups: [
          { name: 'data', machines: [{ machine: 'db1' }], after: [script('dns')] },
          {
            name: 'front',
            before: [manual('switch the load balancer')],
            machines: [{ machine: 'web1', point: 'aaaa' }, { machine: 'app1' }],
          },
        ],
      },
    });
    const dry = await plans().checkPlan({ plan: 'shop', kind: RecoveryKind.TEST });
    expect(dry.findings.map(({ level, subject }) => [level, subject])).toEqual([
      ['good', 'db1'],
      ['good', 'web1'],
      ['good', 'app1'],
      ['good', 'script dns'],
    ]);
    expect(dry.steps).toEqual([
      '1. data: start db1',
      '1. data: run script dns',
      '2. front: ask somebody to: switch the load balancer',
      '2. front: start web1, app1',
    ]);
    const { job } = await plans().runPlan({ plan: 'shop', ...RUN });
    expect(await codeOf(plans().runPlan({ plan: 'shop', ...RUN }))).toBe('JOB_RUNNING');
    await until('it waits', async () => (await jobOf(site.server, job!)).state === JobState.WAITING_FOR_INPUT);
    expect((await jobOf(site.server, job!)).question!.text).toBe('switch the load balancer');
    // The second group has not begun.
    expect(site.wanted().map(({ machineName }) => machineName)).toEqual(['db1']);
    expect(await said()).toBe('shop data after db1\n');
    await answer(job, 'done', 'port 7');
    expect((await ended(job)).state).toBe(JobState.SUCCEEDED);
    expect(
      site
        .wanted()
        .map(({ machineName }) => machineName)
        .toSorted(),
    ).toEqual(['app1', 'db1', 'web1']);
    const [run] = await runs();
    expect(run).toMatchObject({ state: 'succeeded', planName: 'shop', direction: Direction.FORWARD });
    expect(run!.machines.map(({ machineName, group, state }) => [machineName, group, state])).toEqual([
      ['db1', 1, 'running'],
      ['web1', 2, 'running'],
      ['app1', 2, 'running'],
    ]);
    const took = run!.machines.map(({ runningAfterMillis }) => Number(runningAfterMillis));
    expect(Number(run!.rtoMillis)).toBe(Math.max(...took));
    expect(run!.rpoMillis).toBeGreaterThan(0n);

    const { jobs } = await plans().cleanUpRun({ run: run!.id, notes: 'quarterly' });
    for (const cleaning of jobs) expect((await ended(cleaning)).state).toBe(JobState.SUCCEEDED);
    expect([jobs.length, await recoveriesOf(site.server, true)]).toEqual([3, []]);
  });

  describe('to the newest instant of all machines', () => {
    const run = (more: object = {}) => plans().runPlan({ plan: 'shop', ...RUN, point: 'latest-group', ...more });
    const pointsWanted = () =>
      Object.fromEntries(site.wanted().map(({ machineName, pointId }) => [machineName, Buffer.from(pointId).toString('hex')[0]]));
    const lack = async (name: string, letters: string): Promise<void> => {
      const { machines } = await site.server.api(MachineService).listMachines({});
      site.lack(machines.find((machine) => machine.name === name)!.id, letters);
    };
    beforeEach(async () => {
      const machines = [{ machine: 'db1' }, { machine: 'web1' }];
      await plans().createPlan({ plan: { name: 'shop', groups: [{ machines }, { machines: [{ machine: 'app1', point: 'aaaa' }] }] } });
    });

    it('takes of each the newest point until then, and says how far they lie apart; one with a point of its own keeps that', async () => {
      await lack('db1', 'c');
      await lack('web1', 'b');
      const { job } = await run();
      const end = await ended(job);
      expect([end.state, end.problem]).toEqual([JobState.SUCCEEDED, '']);
      expect(pointsWanted()).toEqual({ db1: 'b', web1: 'a', app1: 'a' });
      expect(end.steps[0]).toMatchObject({
        name: 'find the newest instant of all machines',
        detail: '2026-11-22T11:00:00.000Z; of 2 machines the newest points until then lie within 3600 s',
      });
    });

    it('starts each from the very point that was found, and says of which that was thinned before it began', async () => {
      // What comes before the machines takes as long as somebody takes.
      const machines = [{ machine: 'db1' }, { machine: 'web1' }];
      await plans().createPlan({ plan: { name: 'late', groups: [{ before: [manual('look')], machines }] } });
      await lack('db1', 'c');
      const { job } = await run({ plan: 'late' });
      await until('it waits', async () => (await jobOf(site.server, job!)).state === JobState.WAITING_FOR_INPUT);
      expect((await jobOf(site.server, job!)).steps[0]!.detail).toMatch('lie within 0 s');
      await lack('web1', 'bc');
      await answer(job, 'done');
      const end = await ended(job);
      expect([end.state, pointsWanted()]).toEqual([JobState.SUCCEEDED, { db1: 'b', web1: 'a' }]);
      expect(end.steps.at(-1)!.detail).toMatch(/; their points lie within 3600 s; of web1 the point that was found was thinned/);
    });

    it('starts nothing where a machine has no point of then any more, and names it', async () => {
      await lack('db1', 'bc');
      await lack('web1', 'a');
      const end = await ended((await run()).job);
      expect(end).toMatchObject({ state: JobState.FAILED, problemCode: 'POINT_NOT_FOUND', problem: expect.stringContaining('web1') });
      expect(site.wanted()).toEqual([]);
    });

    it('is a word of plans as a whole, and of nothing that is shut down first', async () => {
      const groups = [{ machines: [{ machine: 'db1', point: 'latest-group' }] }];
      expect(await codeOf(plans().createPlan({ plan: { name: 'other', groups } }))).toBe('UNSUPPORTED_OPERATION');
      expect(await codeOf(run({ kind: RecoveryKind.FAILOVER, shutdownSource: true }))).toBe('REQUEST_INVALID');
    });
  });

  it('asks what to do when a machine does not start or a script fails, and goes on as told', async () => {
    await writeScript('dns', 'echo no route; exit 4');
    await plans().createPlan({
      plan: { name: 'shop', groups: [{ machines: [{ machine: 'db1' }], after: [script('dns')] }, { machines: [{ machine: 'web1' }] }] },
    });
    site.hold(RecoveryGoal.RUNNING, { code: 'TOOL_MISSING' });
    const { job } = await plans().runPlan({ plan: 'shop', ...RUN });
    await until('it asks', async () => (await jobOf(site.server, job!)).question?.failure === true);
    expect((await jobOf(site.server, job!)).question!.text).toMatch(/PLAN_ACTION_FAILED.*db1 does not run/);
    expect(site.wanted().some(({ machineName }) => machineName === 'web1')).toBe(false);
    // The failed start is taken back by itself.
    site.letGo();
    await until('nothing is left of it', async () => (await recoveriesOf(site.server, true)).length === 0);
    await answer(job, 'retry');
    await until('it asks about the script', async () => (await jobOf(site.server, job!)).question?.text.includes('no route') === true);
    await answer(job, 'skip');
    expect((await ended(job)).state).toBe(JobState.SUCCEEDED);
    expect((await runs())[0]!.machines.map(({ state }) => state)).toEqual(['running', 'running']);
  });

  it('goes on after the configuration server was killed in the middle, and starts nothing twice', async () => {
    await plans().createPlan({
      plan: { name: 'shop', groups: [{ machines: [{ machine: 'db1' }] }, { machines: [{ machine: 'web1' }, { machine: 'app1' }] }] },
    });
    site.hold(RecoveryGoal.RUNNING);
    const { job } = await plans().runPlan({ plan: 'shop', ...RUN });
    await until('the first one starts', () => site.goals.at(-1) === RecoveryGoal.RUNNING);
    await site.server.stop();
    const server = await startTestServer({ 'plans.scripts': path.join(directory, 'scripts') }, site.server.directory);
    site = { ...site, server };
    site.letGo();
    await site.reconnect(server);
    expect((await ended(job)).state).toBe(JobState.SUCCEEDED);
    expect(await recoveriesOf(server)).toHaveLength(3);
  });

  it('is stopped by people, cancelled with what is at work, and fails over what is not failed over yet', async () => {
    await plans().createPlan({
      plan: { name: 'shop', groups: [{ before: [manual('look')], machines: [{ machine: 'db1' }, { machine: 'web1' }] }] },
    });
    const failover = { plan: 'shop', kind: RecoveryKind.FAILOVER, point: 'latest-processed', direction: Direction.FORWARD } as const;
    expect(await codeOf(plans().runPlan({ ...failover, direction: Direction.UNSPECIFIED }))).toBe('REQUEST_INVALID');
    const first = await plans().runPlan(failover);
    await answer(first.job, 'stop', 'not today');
    expect(await ended(first.job)).toMatchObject({ state: JobState.FAILED, problemCode: 'PLAN_ACTION_FAILED', retryable: true });
    expect((await runs())[0]).toMatchObject({ state: 'failed' });

    site.hold(RecoveryGoal.RUNNING);
    const second = await plans().runPlan(failover);
    await answer(second.job, 'done');
    await until('both are at work', () => site.wanted().length === 2);
    await site.server.api(JobService).cancelJob({ id: second.job!.id });
    expect((await ended(second.job)).state).toBe(JobState.CANCELLED);
    site.letGo();
    await until('both are taken back', async () => (await recoveriesOf(site.server, true)).length === 0);

    const alone = await site.server
      .api(RecoveryService)
      .failover({ machine: 'db1', point: 'latest-processed', direction: Direction.FORWARD });
    expect((await ended(alone.job)).state).toBe(JobState.SUCCEEDED);
    const third = await plans().runPlan(failover);
    await answer(third.job, 'skip');
    expect((await ended(third.job)).state).toBe(JobState.SUCCEEDED);
    expect((await runs())[0]!.machines.map(({ state }) => state)).toEqual(['already failed over', 'running']);
  });

  it('tells of a network that its process server does not have before anything begins: when it is named, and when it is gone', async () => {
    const target = { network: 'br7', testNetwork: 'bridge:br8' };
    const plan = { name: 'shop', groups: [{ machines: [{ machine: 'db1', target }, { machine: 'web1' }] }] };
    const create = (wanted: object) => plans().createPlan({ plan: wanted as never });
    await site.haveBridges('br8');
    const refused = await create(plan).catch(errorOf);
    expect(refused).toMatchObject({
      code: 'PREREQUISITES_MISSING',
      thing: 'machine db1',
      why: expect.stringMatching(/target-bridge \(br7\): gw1: .*the host has no bridge br7; a failover uses it$/),
      remedy: 'make it, or name another',
    });
    await site.haveBridges('br7', 'br8');
    const { plan: made } = await create(plan);
    await site.haveBridges('br7');
    const found = async (kind: RecoveryKind) => (await plans().checkPlan({ plan: 'shop', kind })).findings;
    expect(await found(RecoveryKind.FAILOVER)).toMatchObject([
      { subject: 'db1', level: 'good' },
      { subject: 'web1', level: 'good' },
    ]);
    expect(await found(RecoveryKind.TEST)).toMatchObject([
      { subject: 'db1', level: 'error', text: expect.stringMatching(/^gw1: .*no bridge br8; a test uses it$/), remedy: expect.any(String) },
      { subject: 'web1', level: 'good' },
    ]);
    expect(
      await plans()
        .updatePlan({ plan: { ...made!, note: 'x' } })
        .catch(errorOf),
    ).toMatchObject({ code: 'PREREQUISITES_MISSING' });
  });

  it('of machines whose own network is gone says so too, and a protection takes none that is not there', async () => {
    const protections = site.server.api(ProtectionService);
    await site.haveBridges('br7');
    const set = (network: string) => protections.updateProtection({ machine: 'db1', target: { network } }).catch(errorOf);
    expect(await set('br9')).toMatchObject({ code: 'PREREQUISITES_MISSING', why: expect.stringContaining('no bridge br9') });
    expect(await set('br7')).toMatchObject({ protection: { target: { network: 'br7' } } });
    await site.haveBridges();
    await plans().createPlan({ plan: { name: 'shop', groups: [{ machines: [{ machine: 'db1' }] }] } });
    const { findings } = await plans().checkPlan({ plan: 'shop', kind: RecoveryKind.FAILOVER });
    expect(findings).toMatchObject([{ level: 'error', text: expect.stringContaining('no bridge br7') }]);
    const checked = await site.server.api(MachineService).checkMachine({ machine: 'db1' });
    expect(checked.findings.filter(({ code }) => code === 'target-bridge')).toMatchObject([{ thing: 'br7', result: CheckResult.FAILED }]);
  });

  it('is refused when it cannot be', async () => {
    const create = (groups: object[]) => codeOf(plans().createPlan({ plan: { name: 'shop', groups } as never }));
    expect(await create([])).toBe('REQUEST_INVALID');
    expect(await create(Array.from({ length: 8 }, () => ({ machines: [{ machine: 'db1' }] })))).toBe('REQUEST_INVALID');
    expect(await create([{ machines: [{ machine: 'db1' }] }, { machines: [{ machine: 'db1' }] }])).toBe('REQUEST_INVALID');
    expect(await create([{ machines: [{ machine: 'nobody' }] }])).toBe('MACHINE_NOT_FOUND');
    expect(await create([{ machines: [{ machine: 'db1', point: 'yesterday' }] }])).toBe('REQUEST_INVALID');
    expect(await create([{ machines: [{ machine: 'db1' }], before: [script('../x')] }])).toBe('REQUEST_INVALID');
    expect(await create([{ machines: [{ machine: 'db1' }], before: [script('none')] }])).toBe('no error');
    expect(await create([{ machines: [{ machine: 'db1' }] }])).toBe('NAME_TAKEN');
    await writeScript('none');
    await chmod(path.join(directory, 'scripts', 'none'), 0o777);
    const { findings } = await plans().checkPlan({ plan: 'shop', kind: RecoveryKind.FAILOVER });
    expect(findings.find(({ level }) => level === 'error')).toMatchObject({
      subject: 'script none',
      text: expect.stringContaining('SCRIPT_REFUSED'),
    });
    const { plan } = await plans().getPlan({ plan: 'shop' });
    expect(await codeOf(plans().deletePlan({ plan: 'shop', version: 1n }))).toBe('VERSION_CONFLICT');
    await plans().deletePlan({ plan: 'shop', version: plan!.version });
    expect((await plans().listPlans({})).plans).toEqual([]);
  });
});
