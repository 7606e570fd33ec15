import { create } from '@bufbuild/protobuf';
import {
  type ConnectAgentResponse,
  DiskPhase,
  EventService,
  idBytes,
  type Job,
  JobService,
  JobState,
  MachineService,
  newId,
  PointAnswerSchema,
  PointKind,
  PolicyService,
  type Protection,
  ProtectionService,
  ProtectionState,
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

/** What people see of the one protection. */
const protectionOf = async (server: TestServer): Promise<Protection | undefined> =>
  (await server.api(ProtectionService).listProtections({})).protections[0];

/** Waits until a job is in a state. */
const untilJob = async (server: TestServer, id: string, fits: (job: Job) => boolean): Promise<Job> => {
  for await (const { job } of server.api(JobService).watchJob({ id })) if (fits(job!)) return job!;
  throw new Error('the job ended otherwise');
};

/** Asks again and again until the answer fits. */
const eventually = async <T>(ask: () => Promise<T>, fits: (value: T) => boolean): Promise<T> => {
  for (let tries = 0; tries < 500; tries += 1) {
    const value = await ask();
    if (fits(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it never came to be');
};

const codesOf = async (server: TestServer, subject = ''): Promise<string[]> =>
  (await server.api(EventService).listEvents({ pageSize: 500, subject })).events.map(({ code }) => code);

interface Site {
  readonly server: TestServer;
  readonly machine: TestMember;
  readonly gateway: TestMember;
  readonly agent: AgentStream;
  readonly receiver: ServerStream;
}

/** A machine and a process server, both connected. */
const openSite = async (server?: TestServer): Promise<Site> => {
  const there = server ?? (await startTestServer());
  const machine = await enrolMember(there, 'agent', 'web1');
  const gateway = await enrolMember(there, 'process-server', 'gw', { endpoints: ['127.0.0.1:9443'] });
  const agent = connectAgent(there, machine, 'web1');
  const receiver = connectServer(there, gateway);
  await agent.until(() => true);
  await receiver.until(() => true);
  return { server: there, machine, gateway, agent, receiver };
};

/** Protects the machine to its first point, both sides answering as they should. */
const protect = async ({ server, machine, agent, receiver }: Site): Promise<Job> => {
  const { job } = await server.api(ProtectionService).protect({ machine: 'web1', policy: 'default', vault: 'office' });
  const assigned = await receiver.until(({ assignments }) => assignments.length > 0);
  receiver.report({ revision: assigned.revision });
  const { revision } = await agent.until(({ protection }) => protection !== undefined);
  agent.report(diskReport(revision, DiskPhase.COPYING));
  await eventually(
    async () => protectionOf(server),
    (protection) => protection?.state === ProtectionState.COPYING,
  );
  agent.report(diskReport(revision));
  const done = await untilJob(server, job!.id, ({ state }) => state === JobState.SUCCEEDED);
  expect((await server.api(MachineService).getMachine({ machine: machine.id })).machine!.protectionId).not.toBe('');
  return done;
};

describe('control streams', () => {
  it('tell of a disk that came, which is wanted with the others, and goes on to be when it is gone, until it is left out', async () => {
    const site = await openSite();
    const { server, machine, agent } = site;
    await protect(site);
    const came = idBytes('c'.repeat(32));
    const { disks = [], ...manifest } = manifestOf(machine.id);
    const again = (...found: object[]): AgentStream => connectAgent(server, machine, 'web1', { manifest: { ...manifest, disks: found } });
    const wanted = async (stream: AgentStream, count: number): Promise<unknown> =>
      (await stream.until((state) => state.protection?.diskIds.length === count)).protection!.diskIds;
    await agent.close();
    const second = again(...disks, { ...disks[0], id: came, name: 'sdb' });
    expect(await wanted(second, 2)).toEqual([DISK, came]);
    await second.close();
    const { events } = await server.api(EventService).listEvents({ pageSize: 500, subject: machine.id });
    expect(events.filter(({ code }) => code === 'disk-came').map(({ text }) => text)).toEqual(['web1: it has a new disk, sdb']);

    const third = again(...disks);
    expect((await third.until(() => true)).protection!.diskIds).toEqual([DISK, came]);
    await third.close();
    const fourth = again(...disks);
    expect((await fourth.until(() => true)).protection!.diskIds).toEqual([DISK, came]);
    const { version } = (await protectionOf(server))!;
    await server.api(ProtectionService).updateProtection({ machine: 'web1', version, excludeDisks: ['sdb'] });
    expect(await wanted(fourth, 1)).toEqual([DISK]);
    await fourth.close();
    const fifth = again(...disks);
    const { protection } = await fifth.until(() => true);
    expect([protection!.diskIds, protection!.excludedDiskIds]).toEqual([[DISK], [came]]);
    expect((await server.api(MachineService).getMachine({ machine: 'web1' })).machine!.manifest!.disks).toHaveLength(1);
    await fifth.close();
    // Installed anew, it has given its disks other ids.
    const other = idBytes('b'.repeat(32));
    expect(await wanted(again({ ...disks[0], id: other }), 1)).toEqual([other]);
  });

  it('tell what a machine is and how it is', async () => {
    const { server, machine, agent } = await openSite();
    expect(agent.states[0]!.protection).toBeUndefined();
    agent.report({ ...diskReport(agent.states[0]!.revision, DiskPhase.UNPROTECTED), pendingBytes: 7n });
    const seen = await eventually(
      async () => (await server.api(MachineService).getMachine({ machine: 'web1' })).machine!,
      ({ report }) => report !== undefined,
    );
    expect(seen).toMatchObject({ connected: true, report: { pendingBytes: 7n }, manifest: { disks: [{ name: 'sda' }] } });
    await agent.close();
    const gone = await eventually(
      async () => (await server.api(MachineService).getMachine({ machine: 'web1' })).machine!,
      ({ connected }) => !connected,
    );
    expect(gone.lastSeenUnixMillis).toBeGreaterThan(0n);
    // It is told a moment after it is known.
    const codes = await eventually(
      () => codesOf(server, machine.id),
      (told) => told.length > 2,
    );
    expect(codes).toEqual(['machine-disconnected', 'machine-connected', 'agent-enrolled']);
  });

  it('bring a machine from nothing to its first point, and to an end', async () => {
    const site = await openSite();
    const { server, machine, gateway, agent, receiver } = site;
    const job = await protect(site);
    expect(job.steps.map(({ name, state }) => [name, state])).toEqual(
      ['choose process server', 'tell process server', 'tell machine', 'first copy'].map((name) => [name, JobState.SUCCEEDED]),
    );
    expect(job.progress).toBe(1);
    const wanted = agent.states.at(-1)!.protection!;
    expect(wanted).toMatchObject({ processServers: ['127.0.0.1:9443'], pointIntervalSeconds: 5, compression: 'lz4' });
    expect(wanted.diskIds).toEqual([DISK]);
    expect(receiver.states.at(-1)!.assignments).toMatchObject([{ machineName: 'web1', vault: 'office', seenTerm: 0n, retention: '24h' }]);
    expect(await protectionOf(server)).toMatchObject({ state: ProtectionState.PROTECTED, processServerId: gateway.id });
    expect((await server.api(ServerService).listServers({})).servers[0]).toMatchObject({ machines: 1, connected: true });

    const used = (await server.api(PolicyService).listPolicies({})).policies.find(({ name }) => name === 'default')!;
    expect(used.protections).toBe(1);
    expect(await codeOf(server.api(PolicyService).deletePolicy({ policy: 'default', version: used.version }))).toBe('POLICY_IN_USE');

    const ending = await server.api(ProtectionService).unprotect({ machine: 'web1' });
    const { revision } = await agent.until((state) => state.revision > agent.states[1]!.revision && state.protection === undefined);
    agent.report(diskReport(revision, DiskPhase.UNPROTECTED));
    await untilJob(server, ending.job!.id, ({ state }) => state === JobState.SUCCEEDED);
    await receiver.until((state) => state.revision > revision && state.assignments.length === 0);
    expect(await protectionOf(server)).toBeUndefined();
    expect(await codeOf(server.api(PolicyService).deletePolicy({ policy: 'default', version: used.version }))).toBe('no error');
    expect(await codesOf(server, machine.id)).toEqual(
      expect.arrayContaining(['first-copy-started', 'first-point', 'job-succeeded', 'protection-ended']),
    );
  });

  it('ask a machine for a point, and tell what became of it', async () => {
    const site = await openSite();
    const { server, agent, machine } = site;
    const { makePoint } = server.api(ProtectionService);
    expect(await codeOf(makePoint({ machine: 'web1' }))).toBe('MACHINE_NOT_PROTECTED');
    await protect(site);
    let { revision } = agent.states.at(-1)!;
    const isAsked = async (wanted: boolean): Promise<ConnectAgentResponse> => {
      const state = await agent.until((one) => one.revision > revision && (one.protection?.pointRequest !== undefined) === wanted);
      ({ revision } = state);
      return state;
    };
    const asked = async (kind: PointKind): Promise<{ job: string; id: Uint8Array }> => {
      const { job } = await makePoint({ machine: 'web1', kind });
      const wanted = await isAsked(true);
      expect(wanted.protection!.pointRequest!.kind).toBe(kind);
      return { job: job!.id, id: wanted.protection!.pointRequest!.id };
    };
    const answer = (requestId: Uint8Array, kind: PointKind, rest: object = {}): void =>
      agent.report({ ...diskReport(revision), pointAnswer: create(PointAnswerSchema, { requestId, kind, durable: true, ...rest }) });

    const good = await asked(PointKind.APPLICATION);
    expect(await codeOf(makePoint({ machine: 'web1' }))).toBe('JOB_RUNNING');
    answer(idBytes(newId()), PointKind.APPLICATION);
    answer(good.id, PointKind.APPLICATION, { durable: false });
    answer(good.id, PointKind.APPLICATION);
    expect((await untilJob(server, good.job, ({ state }) => state >= JobState.SUCCEEDED)).state).toBe(JobState.SUCCEEDED);
    await isAsked(false);

    const lesser = await asked(PointKind.APPLICATION);
    answer(lesser.id, PointKind.CRASH, { problemCode: 'SCRIPT_FAILED', problem: '10-db said no' });
    expect(await untilJob(server, lesser.job, ({ state }) => state === JobState.FAILED)).toMatchObject({
      problemCode: 'POINT_NOT_CONSISTENT',
      problem: expect.stringContaining('10-db said no'),
    });
    await isAsked(false);
    const cancelled = await asked(PointKind.CRASH);
    await server.api(JobService).cancelJob({ id: cancelled.job });
    await isAsked(false);
    expect(await codesOf(server, machine.id)).toEqual(expect.arrayContaining(['job-failed', 'job-cancelled']));
  });

  it('push every change that concerns a member, and no other', async () => {
    const site = await openSite();
    const { server, agent } = site;
    await protect(site);
    // Nothing first, then the protection; that its state moved on since then is nothing new to the machine.
    const before = agent.states.length;
    expect(before).toBe(2);
    const { policies } = await server.api(PolicyService).listPolicies({});
    await server.api(PolicyService).createPolicy({ policy: { name: 'unrelated' } });
    await server.api(PolicyService).updatePolicy({
      policy: { ...policies.find(({ name }) => name === 'default')!, pointIntervalSeconds: 30, rpoThresholdSeconds: 120 },
    });
    await agent.until(({ protection }) => protection?.pointIntervalSeconds === 30);
    expect(agent.states.length).toBe(before + 1);

    await server.api(ProtectionService).updateProtection({ machine: 'web1', copyPaused: true });
    expect((await agent.until(({ protection }) => protection?.copyPaused === true)).protection!.resyncId).toHaveLength(0);
    await server.api(ProtectionService).updateProtection({ machine: 'web1', copyPaused: false });
    await agent.until(({ protection }) => protection?.copyPaused === false);
    await server.api(ProtectionService).operate({ machine: 'web1', operation: 'resynchronize' });
    await agent.until(({ protection }) => protection?.resyncId.length === 16);
  });

  it('end with the certificate, within five seconds of its revocation, and tell process servers', async () => {
    const { server, machine, agent, receiver } = await openSite();
    const began = performance.now();
    await server.api(ServerService).revokeServer({ subject: 'web1' });
    expect(await agent.ended).toMatchObject({ code: 'CERTIFICATE_REVOKED' });
    const pushed = await receiver.until(({ revokedSerials }) => revokedSerials.length > 0);
    expect(performance.now() - began).toBeLessThan(5000);
    expect(pushed.revokedSerials[0]!.length).toBe(16);
    expect(await connectAgent(server, machine, 'web1').ended).toMatchObject({ code: 'CERTIFICATE_REVOKED' });
    expect(await receiver.close()).toBeUndefined();
  });

  it('end with the certificate of a process server too', async () => {
    const { server, receiver } = await openSite();
    await server.api(ServerService).revokeServer({ subject: 'gw' });
    expect(await receiver.ended).toMatchObject({ code: 'CERTIFICATE_REVOKED' });
  });

  it('of one member: the newest takes over', async () => {
    const { server, machine, agent } = await openSite();
    const second = connectAgent(server, machine, 'web1');
    expect(await agent.ended).toMatchObject({ code: 'FENCED' });
    await second.until(() => true);
    expect((await server.api(MachineService).getMachine({ machine: 'web1' })).machine!.connected).toBe(true);
    expect(await codesOf(server, machine.id)).not.toContain('machine-disconnected');
  });

  it('are refused to the wrong role, and to messages out of order', async () => {
    const { server, machine, gateway } = await openSite();
    expect(await connectServer(server, machine).ended).toMatchObject({ code: 'NO_PERMISSION' });
    expect(await connectAgent(server, gateway, 'gw').ended).toMatchObject({ code: 'NO_PERMISSION' });
    const twice = connectAgent(server, machine, 'web1');
    await twice.until(() => true);
    twice.report(diskReport(1n, DiskPhase.UNPROTECTED, { disks: Array.from({ length: 300 }, () => ({ diskId: DISK })) }));
    expect(await twice.ended).toMatchObject({ code: 'REQUEST_INVALID' });
    expect(await connectAgent(server, machine, 'web1', { manifest: { disks: [{ id: new Uint8Array(3) }] } }).ended).toMatchObject({
      code: 'REQUEST_INVALID',
    });
    expect(await connectAgent(server, machine, 'web1', { incarnation: 7n }).ended).toMatchObject({ code: 'CERTIFICATE_REVOKED' });
  });

  it('keep the highest term a process server told of the machines assigned to it', async () => {
    const site = await openSite();
    const { receiver, machine } = site;
    await protect(site);
    const other = 'f'.repeat(32);
    const tell = (term: bigint, id = machine.id): void =>
      receiver.report({ revision: 1n, machines: [{ machineId: idBytes(id), term, durableSequence: 5n, durableTag: new Uint8Array(16) }] });
    tell(3n, other);
    tell(3n);
    await receiver.until(({ assignments }) => assignments[0]?.seenTerm === 3n);
    tell(2n);
    tell(4n);
    await receiver.until(({ assignments }) => assignments[0]?.seenTerm === 4n);
    expect(receiver.states.map(({ assignments }) => assignments[0]?.seenTerm ?? 0n)).not.toContain(2n);
  });

  it('make events of what goes wrong, and of getting well again', async () => {
    const site = await openSite();
    const { server, agent, machine } = site;
    await protect(site);
    const { revision } = agent.states.at(-1)!;
    const broken = { diskId: DISK, phase: DiskPhase.FAILED, problemCode: 'UNREADABLE_EXTENT', problem: 'sector 7\nis gone' };
    agent.report(diskReport(revision, DiskPhase.FAILED, { disks: [broken] }));
    const failed = await eventually(
      async () => protectionOf(server),
      (protection) => protection?.state === ProtectionState.FAILED,
    );
    expect(failed!.stateDetail).toBe('sda: UNREADABLE_EXTENT sector 7 is gone');
    agent.report(
      diskReport(revision, DiskPhase.REPLICATING, { events: [{ unixMillis: 1n, code: 'CONTINUITY_LOST', text: 'the ring ran over' }] }),
    );
    await eventually(
      async () => protectionOf(server),
      (protection) => protection?.state === ProtectionState.PROTECTED,
    );
    const codes = await codesOf(server, machine.id);
    expect(codes).toEqual(
      expect.arrayContaining(['replication-failed', 'UNREADABLE_EXTENT', 'CONTINUITY_LOST', 'protected-again', 'disk-phase']),
    );
  });

  it('come back after the server was away, and nothing is lost', async () => {
    const site = await openSite();
    await protect(site);
    const { directory } = site.server;
    expect(await site.server.stop()).toBe(0);
    await Promise.all([site.agent.ended, site.receiver.ended]);
    const server = await startTestServer({}, directory);
    expect((await server.api(MachineService).getMachine({ machine: 'web1' })).machine).toMatchObject({ connected: false });
    const agent = connectAgent(server, site.machine, 'web1');
    const state = await agent.until(({ protection }) => protection !== undefined);
    expect(state.protection!.processServers).toEqual(['127.0.0.1:9443']);
    const receiver = connectServer(server, site.gateway);
    await receiver.until(({ assignments }) => assignments.length === 1);
    expect(await protectionOf(server)).toMatchObject({ state: ProtectionState.PROTECTED });
    // That everybody is gone while it stops in order is one event, not one for each.
    const codes = await codesOf(server);
    expect(codes.filter((code) => code.endsWith('-disconnected'))).toEqual([]);
    expect(codes).toContain('configuration-server-stopped');
  });
});

describe('protecting', () => {
  it('names everything that is missing, at once, and begins nothing', async () => {
    const server = await startTestServer();
    await enrolMember(server, 'agent', 'web1');
    const refusal = await server
      .api(ProtectionService)
      .protect({ machine: 'web1' })
      .catch((reason: Error) => reason.message);
    expect(refusal).toContain('PREREQUISITES_MISSING');
    for (const words of ['machine-connected (web1): it is not connected', 'no disk', 'no process server']) expect(refusal).toContain(words);
    expect(await protectionOf(server)).toBeUndefined();
    expect((await server.api(JobService).listJobs({})).jobs).toEqual([]);
  });

  it('refuses what cannot be, by name', async () => {
    const site = await openSite();
    const protection = site.server.api(ProtectionService);
    const wrong = async (request: object): Promise<string> => codeOf(protection.protect({ machine: 'web1', ...request }));
    expect(await wrong({ machine: 'nobody' })).toBe('MACHINE_NOT_FOUND');
    expect(await wrong({ machine: '' })).toBe('REQUEST_INVALID');
    expect(await wrong({ policy: 'nothing' })).toBe('RESOURCE_NOT_FOUND');
    expect(await wrong({ processServer: 'nothing' })).toBe('RESOURCE_NOT_FOUND');
    expect(await wrong({ vault: 'elsewhere' })).toBe('PREREQUISITES_MISSING');
    expect(await wrong({ excludedDisks: ['sdz'] })).toBe('REQUEST_INVALID');
    expect(await wrong({ excludedDisks: ['sda'] })).toBe('PREREQUISITES_MISSING');
    expect(await wrong({ target: { fabric: 'moon' } })).toBe('REQUEST_INVALID');
    expect(await wrong({ group: 'g1' })).toBe('UNSUPPORTED_OPERATION');
    expect(await codeOf(protection.unprotect({ machine: 'web1' }))).toBe('MACHINE_NOT_PROTECTED');
    expect(await protectionOf(site.server)).toBeUndefined();
  });

  it('begins once, whoever asks at the same time', async () => {
    const site = await openSite();
    const asks = Array.from({ length: 5 }, () => codeOf(site.server.api(ProtectionService).protect({ machine: 'web1' })));
    const outcomes = await Promise.all(asks);
    expect(outcomes.filter((code) => code === 'no error')).toHaveLength(1);
    expect(outcomes.filter((code) => code === 'MACHINE_PROTECTED')).toHaveLength(4);
  });

  it('can be cancelled at any step, and leaves nothing behind', async () => {
    const site = await openSite();
    const { server, agent, receiver } = site;
    const { job } = await server.api(ProtectionService).protect({ machine: 'web1' });
    await receiver.until(({ assignments }) => assignments.length > 0);
    expect(await codeOf(server.api(ProtectionService).unprotect({ machine: 'web1' }))).toBe('JOB_RUNNING');
    await server.api(JobService).cancelJob({ id: job!.id });
    const ended = await untilJob(server, job!.id, ({ state }) => state === JobState.CANCELLED);
    expect(ended.steps.map(({ state }) => state).slice(1)).toEqual([JobState.CANCELLED, JobState.CANCELLED, JobState.CANCELLED]);
    await receiver.until((state) => state.revision > 0n && receiver.states.indexOf(state) > 1 && state.assignments.length === 0);
    expect(await protectionOf(server)).toBeUndefined();
    expect(agent.states.at(-1)!.protection === undefined || agent.states.length > 1).toBe(true);
    expect(await codeOf(server.api(JobService).cancelJob({ id: job!.id }))).toBe('JOB_ENDED');
    expect(await codeOf(server.api(ProtectionService).protect({ machine: 'web1' }))).toBe('no error');
  });

  it('goes to the process server with the fewest machines', async () => {
    const site = await openSite();
    const { server } = site;
    await protect(site);
    const second = await enrolMember(server, 'process-server', 'gw2', { endpoints: ['127.0.0.1:9444'] });
    const free = connectServer(server, second, { endpoints: ['127.0.0.1:9444'] });
    await free.until(() => true);
    const other = await enrolMember(server, 'agent', 'web2');
    await connectAgent(server, other, 'web2').until(() => true);
    await server.api(ProtectionService).protect({ machine: 'web2' });
    const { assignments } = await free.until((state) => state.assignments.length > 0);
    expect(assignments).toMatchObject([{ machineName: 'web2' }]);

    // What a server tells of a machine that another one receives counts for nothing.
    const { receiver, machine } = site;
    const told = (id: string, term: bigint) => ({ machineId: idBytes(id), term, durableSequence: 1n, durableTag: new Uint8Array(16) });
    receiver.report({ revision: 1n, machines: [told(other.id, 9n), told(machine.id, 4n)] });
    await receiver.until((state) => state.assignments[0]?.seenTerm === 4n);
    const again = await connectServer(server, second, { endpoints: ['127.0.0.1:9444'] }).until(() => true);
    expect(again.assignments).toMatchObject([{ machineName: 'web2', seenTerm: 0n }]);
  });

  it('says why an operation is not possible', async () => {
    const { server } = await openSite();
    const operate = (operation: string): Promise<string> =>
      server
        .api(ProtectionService)
        .operate({ machine: 'web1', operation })
        .then(String, (reason: Error) => reason.message);
    for (const operation of ['change-point', 'commit'])
      expect(await operate(operation)).toMatch(/MACHINE_NOT_PROTECTED.*web1.*and this needs a failover/);
    for (const operation of ['reprotect', 'failback'])
      expect(await operate(operation)).toMatch(/UNSUPPORTED_OPERATION.*web1.*this version does not have it; version 0.5 will/);
    expect(await operate('planned-failover')).toMatch(/REQUEST_INVALID.*--shutdown-source --point latest/);
    expect(await operate('dance')).toMatch(/REQUEST_INVALID/);
  });
});
