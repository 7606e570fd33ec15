import {
  DiskPhase,
  EventService,
  JobService,
  JobState,
  MachineService,
  PolicyService,
  ProtectionService,
  ServerService,
} from '@holdfast/protocol';
import {
  type AgentStream,
  connectAgent,
  connectServer,
  DISK,
  diskReport,
  manifestOf,
  type ServerStream,
} from '../conformance/test-member.ts';
import { codeOf, endTestServers, enrolMember, startTestServer, type TestMember, type TestServer } from '../conformance/test-server.ts';

afterEach(endTestServers);

const OTHER_DISK = new Uint8Array(16).fill(7);
const QUICK = { 'balance.interval': '100ms', 'balance.reassign-after': '2s' };

const eventually = async <T>(ask: () => Promise<T>, fits: (value: T) => boolean): Promise<T> => {
  for (let tries = 0; tries < 1500; tries += 1) {
    const value = await ask();
    if (fits(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it never came to be');
};

interface Site {
  readonly server: TestServer;
  readonly machine: TestMember;
  readonly agent: AgentStream;
  readonly members: readonly TestMember[];
  readonly streams: readonly ServerStream[];
}

/** Says at once that whatever is wanted is in force. */
const obey = (stream: ServerStream): void => {
  let told = 0;
  void (async () => {
    for (;;) {
      const state = await stream.until(() => stream.states.length > told).catch(() => undefined);
      if (state === undefined) return;
      told = stream.states.length;
      stream.report({ revision: stream.states.at(-1)!.revision });
    }
  })();
};

/** A protected machine of two disks, and two process servers; the first one receives it. */
const openSite = async (given: Record<string, string> = {}): Promise<Site> => {
  const server = await startTestServer({ ...QUICK, ...given });
  const machine = await enrolMember(server, 'agent', 'web1');
  const first = await enrolMember(server, 'process-server', 'one', { endpoints: ['127.0.0.1:1'] });
  const manifest = manifestOf(machine.id);
  const agent = connectAgent(server, machine, 'web1', {
    manifest: { ...manifest, disks: [...manifest.disks!, { ...manifest.disks![0]!, id: OTHER_DISK, name: 'sdb' }] },
  });
  const one = connectServer(server, first, { endpoints: ['127.0.0.1:1'] });
  obey(one);
  await Promise.all([agent.until(() => true), one.until(() => true)]);
  const { job } = await server.api(ProtectionService).protect({ machine: 'web1', vault: 'office' });
  const { revision } = await agent.until(({ protection }) => protection !== undefined);
  agent.report(diskReport(revision, DiskPhase.COPYING));
  agent.report(diskReport(revision));
  await untilJob(server, job!.id);
  const second = await enrolMember(server, 'process-server', 'two', { endpoints: ['127.0.0.1:2'] });
  const two = connectServer(server, second, { endpoints: ['127.0.0.1:2'] });
  obey(two);
  await two.until(() => true);
  return { server, machine, agent, members: [first, second], streams: [one, two] };
};

const untilJob = async (server: TestServer, id: string) =>
  eventually(
    async () => (await server.api(JobService).getJob({ id })).job!,
    ({ state }) => state >= JobState.SUCCEEDED,
  );

const placesOf = (site: Site): readonly string[] => site.agent.states.at(-1)!.protection?.processServers ?? [];

/** The agent says that it goes where it is told, once it is told to go there. */
const goesTo = async ({ agent }: Site, place: string): Promise<void> => {
  await agent.until(() => agent.states.at(-1)?.protection?.processServers[0] === place);
  agent.report(diskReport(agent.states.at(-1)!.revision));
};

const versionOf = async ({ server }: Site, name: string): Promise<bigint> =>
  (await server.api(ServerService).listServers({})).servers.find((one) => one.name === name)!.version;

/** Its record changes once more when its connection is seen to have ended. */
const removeByForce = async (site: Site, server: string): Promise<void> => {
  const remove = async () =>
    codeOf(site.server.api(ServerService).removeServer({ server, version: await versionOf(site, server), force: true }));
  expect(await eventually(remove, (code) => code !== 'VERSION_CONFLICT')).toBe('no error');
};

describe('a machine', () => {
  it('is moved to another process server, and back by name', async () => {
    const site = await openSite();
    const { server, streams, machine } = site;
    expect(placesOf(site)).toEqual(['127.0.0.1:1']);
    const protections = server.api(ProtectionService);
    const { job } = await protections.move({ machine: 'web1' });
    await goesTo(site, '127.0.0.1:2');
    expect((await untilJob(server, job!.id)).state).toBe(JobState.SUCCEEDED);
    await streams[0]!.until(() => streams[0]!.states.at(-1)!.assignments.length === 0);
    expect(streams[1]!.states.at(-1)!.assignments).toHaveLength(1);
    const back = await protections.move({ machine: 'web1', processServer: 'one' });
    await goesTo(site, '127.0.0.1:1');
    expect((await untilJob(server, back.job!.id)).state).toBe(JobState.SUCCEEDED);
    expect(await codeOf(protections.move({ machine: 'web1', processServer: 'one' }))).toBe('PREREQUISITES_MISSING');
    const { events } = await server.api(EventService).listEvents({ subject: machine.id });
    expect(events.filter(({ code }) => code === 'machine-moved')).toHaveLength(2);
  });

  it('leaves a server that is drained, and none comes to it', async () => {
    const site = await openSite();
    const servers = site.server.api(ServerService);
    expect((await servers.drainServer({ server: 'one' })).server).toMatchObject({ name: 'one', draining: true });
    await goesTo(site, '127.0.0.1:2');
    await eventually(
      async () => (await servers.listServers({})).servers.map(({ name, machines }) => `${name} ${machines}`).toSorted(),
      (all) => all.join() === 'one 0,two 1',
    );
    expect(await codeOf(site.server.api(ProtectionService).move({ machine: 'web1', processServer: 'one' }))).toMatch(
      /PREREQUISITES_MISSING|JOB_RUNNING/,
    );
    await servers.drainServer({ server: 'one', end: true });
    await servers.removeServer({ server: 'one', version: await versionOf(site, 'one') });
    expect((await servers.listServers({})).servers.map(({ name }) => name)).toEqual(['two']);
  });

  it('leaves a server that is lost, after a while', async () => {
    const site = await openSite();
    await site.streams[0]!.close();
    await goesTo(site, '127.0.0.1:2');
    // It is not hasty: a restart is no loss. (The two seconds count from its last report, which came before it was seen to be gone.)
    const lost = (await site.server.api(ServerService).listServers({})).servers.find(({ name }) => name === 'one')!;
    expect(Date.now() - Number(lost.lastSeenUnixMillis)).toBeGreaterThan(1000);
  }, 60_000);

  it('finds another server when its own is removed by force', async () => {
    const site = await openSite();
    const servers = site.server.api(ServerService);
    await site.streams[0]!.close();
    const version = await eventually(
      () => versionOf(site, 'one'),
      () => true,
    );
    expect(await codeOf(servers.removeServer({ server: 'one', version }))).toMatch(/SERVER_IN_USE|VERSION_CONFLICT/);
    await removeByForce(site, 'one');
    await goesTo(site, '127.0.0.1:2');
  });

  it('keeps what it holds while it has no server: its protection does not end', async () => {
    const site = await openSite({ 'balance.interval': '5min' });
    const { agent, server } = site;
    const told = agent.states.findIndex(({ protection }) => protection !== undefined);
    await site.streams[0]!.close();
    await removeByForce(site, 'one');
    await agent.until(() => agent.states.length > told + 1 && placesOf(site).length === 0);
    // An agent that is told of no protection removes its log, and with it what is in no vault yet.
    expect(agent.states.slice(told).map(({ protection }) => protection?.diskIds.length)).not.toContain(undefined);
    await server.api(ProtectionService).move({ machine: 'web1', processServer: 'two' });
    await goesTo(site, '127.0.0.1:2');
  });

  it('gets another name, which its process server learns', async () => {
    const site = await openSite();
    const machines = site.server.api(MachineService);
    const { version } = (await machines.getMachine({ machine: 'web1' })).machine!;
    expect(await codeOf(machines.renameMachine({ machine: 'web1', name: 'x y', version }))).toBe('REQUEST_INVALID');
    expect(await codeOf(machines.renameMachine({ machine: 'web1', name: 'x', version: version - 1n }))).toBe('VERSION_CONFLICT');
    const { machine } = await machines.renameMachine({ machine: 'web1', name: 'shop', version });
    expect(machine!.name).toBe('shop');
    await site.streams[0]!.until(({ assignments }) => assignments[0]?.machineName === 'shop');
    expect(await codeOf(machines.getMachine({ machine: 'web1' }))).toBe('MACHINE_NOT_FOUND');
    await enrolMember(site.server, 'agent', 'web1-again', {});
    const other = (await machines.getMachine({ machine: 'web1-again' })).machine!;
    expect(await codeOf(machines.renameMachine({ machine: other.id, name: 'shop', version: other.version }))).toBe('NAME_TAKEN');
  });

  it('gets other disks and another policy while it is protected', async () => {
    const site = await openSite();
    const protections = site.server.api(ProtectionService);
    const { protection } = await protections.updateProtection({ machine: 'web1', excludeDisks: ['sdb'] });
    expect(protection!.excludedDiskIds).toHaveLength(1);
    const left = await site.agent.until((state) => state.protection?.diskIds.length === 1);
    expect(left.protection!.diskIds[0]).toEqual(DISK);
    expect(await codeOf(protections.updateProtection({ machine: 'web1', excludeDisks: ['sda'] }))).toBe('REQUEST_INVALID');
    expect(await codeOf(protections.updateProtection({ machine: 'web1', excludeDisks: ['sdx'] }))).toBe('REQUEST_INVALID');
    expect(await codeOf(protections.updateProtection({ machine: 'web1', version: 1n, includeDisks: ['sdb'] }))).toBe('VERSION_CONFLICT');
    await protections.updateProtection({ machine: 'web1', includeDisks: ['sdb'] });
    await site.agent.until(() => site.agent.states.at(-1)!.protection?.diskIds.length === 2);
  });

  it('gets another network and size for its recoveries, and keeps what nobody names', async () => {
    const site = await openSite();
    const protections = site.server.api(ProtectionService);
    const { protection } = await protections.updateProtection({ machine: 'web1', target: { network: 'br0', size: '4x8GiB' } });
    expect(protection!.target).toMatchObject({ fabric: 'qemu', network: 'br0', testNetwork: '', size: '4x8GiB' });
    const next = await protections.updateProtection({ machine: 'web1', target: { testNetwork: 'none', size: 'same' } });
    expect(next.protection!.target).toMatchObject({ network: 'br0', testNetwork: 'none', size: 'same' });
    expect((await protections.updateProtection({ machine: 'web1', policy: 'default' })).protection!.target).toEqual(
      next.protection!.target,
    );
    for (const target of [{ size: 'big' }, { network: 'a b' }, { testNetwork: 'a-name-that-no-bridge-has' }])
      expect(await codeOf(protections.updateProtection({ machine: 'web1', target }))).toBe('REQUEST_INVALID');
  });

  it('that does not come back is removed by force, with its protection', async () => {
    const site = await openSite();
    const machines = site.server.api(MachineService);
    const version = async () => (await machines.getMachine({ machine: 'web1' })).machine!.version;
    expect(await codeOf(machines.removeMachine({ machine: 'web1', version: await version() }))).toBe('MACHINE_PROTECTED');
    await machines.removeMachine({ machine: 'web1', version: await version(), force: true });
    expect(await codeOf(machines.getMachine({ machine: 'web1' }))).toBe('MACHINE_NOT_FOUND');
    expect((await site.server.api(ProtectionService).listProtections({})).protections).toEqual([]);
    expect(await site.agent.ended).toMatchObject({ code: 'CERTIFICATE_REVOKED' });
    await site.streams[0]!.until(() => site.streams[0]!.states.at(-1)!.assignments.length === 0);
  });

  it('has one job at a time, also when two are asked for at one moment', async () => {
    const site = await openSite();
    const protections = site.server.api(ProtectionService);
    const asked = [
      protections.makePoint({ machine: 'web1' }),
      protections.makePoint({ machine: 'web1' }),
      protections.move({ machine: 'web1' }),
    ];
    const codes = await Promise.all(asked.map((one) => codeOf(one)));
    expect(codes.toSorted()).toEqual(['JOB_RUNNING', 'JOB_RUNNING', 'no error']);
  });

  it('never follows a policy that is deleted at the same moment', async () => {
    const { server } = await openSite();
    const [policies, protections] = [server.api(PolicyService), server.api(ProtectionService)];
    for (let round = 0; round < 5; round += 1) {
      const { policy } = await policies.createPolicy({ policy: { name: `gold${round}` } });
      const { id, version } = policy!;
      await Promise.all([
        codeOf(policies.deletePolicy({ policy: id, version })),
        codeOf(protections.updateProtection({ machine: 'web1', policy: id })),
      ]);
      const ids = (await policies.listPolicies({})).policies.map((one) => one.id);
      expect(ids).toContain((await protections.listProtections({})).protections[0]!.policyId);
    }
  });

  it('takes its job with it when it is removed by force', async () => {
    const site = await openSite();
    const { job } = await site.server.api(ProtectionService).makePoint({ machine: 'web1' });
    const machines = site.server.api(MachineService);
    const { version } = (await machines.getMachine({ machine: 'web1' })).machine!;
    await machines.removeMachine({ machine: 'web1', version, force: true });
    expect((await untilJob(site.server, job!.id)).state).toBe(JobState.CANCELLED);
  });

  it('stays where it is when the server it was to move to is removed meanwhile', async () => {
    const site = await openSite();
    const { server } = site;
    const third = await enrolMember(server, 'process-server', 'three', { endpoints: ['127.0.0.1:3'] });
    const three = connectServer(server, third, { endpoints: ['127.0.0.1:3'] });
    await three.until(() => true);
    const { job } = await server.api(ProtectionService).move({ machine: 'web1', processServer: 'three' });
    await three.until(({ assignments }) => assignments.length === 1);
    await removeByForce(site, 'three');
    expect(await untilJob(server, job!.id)).toMatchObject({ state: JobState.FAILED, problemCode: 'RESOURCE_NOT_FOUND' });
    expect(placesOf(site)).toEqual(['127.0.0.1:1']);
  });

  it('is known by its new name where it was going to', async () => {
    const site = await openSite();
    const { server } = site;
    const third = await enrolMember(server, 'process-server', 'three', { endpoints: ['127.0.0.1:3'] });
    const three = connectServer(server, third, { endpoints: ['127.0.0.1:3'] });
    await three.until(() => true);
    await server.api(ProtectionService).move({ machine: 'web1', processServer: 'three' });
    await three.until(({ assignments }) => assignments.length === 1);
    const { version } = (await server.api(MachineService).getMachine({ machine: 'web1' })).machine!;
    await server.api(MachineService).renameMachine({ machine: 'web1', name: 'shop', version });
    obey(three);
    await three.until(() => three.states.at(-1)!.assignments[0]?.machineName === 'shop');
  });

  it('that cannot reach its server gets another, and is not sent back and forth', async () => {
    const site = await openSite();
    const isAt = (place: string) => () => placesOf(site)[0] === place;
    const cannot = (seconds: number): void =>
      site.agent.report({
        ...diskReport(site.agent.states.at(-1)!.revision),
        secondsWithoutServer: seconds,
        serverProblem: '[CONNECTION_LOST] process server 127.0.0.1:1: nobody answers',
      });
    cannot(1);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(placesOf(site)).toEqual(['127.0.0.1:1']);
    // The move begins later than this, and the next one two seconds after it.
    const asked = performance.now();
    cannot(2.5);
    await site.agent.until(isAt('127.0.0.1:2'));
    cannot(1000);
    const { events } = await site.server.api(EventService).listEvents({});
    expect(events.find(({ code }) => code === 'machine-reassigned')?.text).toContain(
      'it cannot reach its process server: [CONNECTION_LOST]',
    );
    await site.agent.until(isAt('127.0.0.1:1'));
    expect(performance.now() - asked).toBeGreaterThan(1900);
  }, 60_000);

  it('in its first copy leaves a server that is lost', async () => {
    const server = await startTestServer(QUICK);
    const machine = await enrolMember(server, 'agent', 'web1');
    const agent = connectAgent(server, machine, 'web1', { manifest: manifestOf(machine.id) });
    const streams: ServerStream[] = [];
    for (const [name, place] of [
      ['one', '127.0.0.1:1'],
      ['two', '127.0.0.1:2'],
    ] as const) {
      const stream = connectServer(server, await enrolMember(server, 'process-server', name, { endpoints: [place] }), {
        endpoints: [place],
      });
      obey(stream);
      await stream.until(() => true);
      streams.push(stream);
    }
    await agent.until(() => true);
    const { job } = await server.api(ProtectionService).protect({ machine: 'web1', vault: 'office', processServer: 'one' });
    const { revision } = await agent.until(({ protection }) => protection?.processServers[0] === '127.0.0.1:1');
    agent.report(diskReport(revision, DiskPhase.COPYING));
    await eventually(
      async () => (await server.api(JobService).getJob({ id: job!.id })).job!.steps.at(-1)!.state,
      (state) => state === JobState.RUNNING,
    );
    await streams[0]!.close();
    await agent.until(() => agent.states.at(-1)?.protection?.processServers[0] === '127.0.0.1:2');
    agent.report(diskReport(agent.states.at(-1)!.revision));
    expect((await untilJob(server, job!.id)).state).toBe(JobState.SUCCEEDED);
  }, 60_000);
});
