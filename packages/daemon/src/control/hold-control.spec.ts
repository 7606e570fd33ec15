import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import type { AgentReportSchema, ConnectAgentResponse, ConnectServerResponse } from '@holdfast/protocol';
import { createTestAuthority } from '@holdfast/protocol/conformance';
import { openTestSite, type TestSite } from '../conformance/test-site.ts';
import { createHealth } from '../health/create-health.ts';
import { joinSite } from '../membership/join-site.ts';
import type { MemberRole } from '../membership/member.ts';
import type { Membership } from '../membership/membership.ts';
import { openMembership } from '../membership/open-membership.ts';
import { preferAddress, type ServerAddresses } from '../membership/server-addresses.ts';
import { encodeWhereabouts, whereaboutsText } from '../membership/whereabouts.ts';
import type { Address } from '../settings/kinds.ts';
import { recordingLog } from '../testing/recording-log.ts';
import type { AgentControlOptions } from './control.ts';
import { holdAgentControl, holdServerControl } from './hold-control.ts';

const hardware = { productUuid: 'b0a7', productSerial: '', macAddresses: ['52:54:00:00:00:01'], machineId: 'a'.repeat(32) };

type Report = MessageInitShape<typeof AgentReportSchema>;
const fixed = (address: Address): ServerAddresses => ({
  current: () => address,
  all: () => [address],
  next: async () => undefined,
  learn: async () => undefined,
  heed: async () => false,
  onNews: () => () => undefined,
});

const event = (code: string) => ({ unixMillis: 1n, code, text: code });

describe('the control stream', () => {
  let site: TestSite;
  let directory: string;
  let ends: (() => Promise<void>)[];
  beforeEach(async () => {
    [site, directory] = await Promise.all([openTestSite(), mkdtemp(path.join(tmpdir(), 'control-'))]);
    ends = [];
  });
  afterEach(async () => {
    for (const end of ends) await end();
    await Promise.all([site.close(), rm(directory, { recursive: true })]);
  });

  /** Another address of a server. */
  const passage = async ({ host, port }: Address): Promise<{ readonly address: Address; close(): Promise<void> }> => {
    const sockets = new Set<Socket>();
    const server = createServer((from) => {
      const to = connect(port, host);
      for (const socket of [from, to]) {
        sockets.add(socket);
        socket.on('error', () => undefined);
      }
      from.pipe(to).pipe(from);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const close = async (): Promise<void> => {
      server.close();
      for (const socket of sockets) socket.destroy();
    };
    ends.push(close);
    return { address: { host: '127.0.0.1', port: (server.address() as AddressInfo).port }, close };
  };

  const enter = async (role: MemberRole, server = site.address): Promise<Membership> => {
    const common = { role, hardware, directory };
    const token = site.createToken();
    await joinSite({ ...common, server, token, fingerprint: site.fingerprint, hostname: 'web-1', version: '1' });
    return openMembership({ ...common, log: recordingLog().log });
  };

  /** Runs until the end of the test, or of its own. */
  const started = <C extends { run(stopping: AbortSignal): Promise<void> }>(control: C) => {
    const stopping = new AbortController();
    const running = control.run(stopping.signal);
    const end = async (): Promise<void> => {
      stopping.abort(new HoldfastError('INTERRUPTED', { thing: 'test', why: 'it ends', remedy: 'none' }));
      await running;
    };
    ends.push(end);
    return { control, end };
  };

  const startAgent = async (options: Partial<AgentControlOptions> = {}, given?: Membership) => {
    const membership = given ?? (await enter('agent'));
    const { log, lines, line } = recordingLog();
    const states: ConnectAgentResponse[] = [];
    const health = createHealth();
    const agent = started(
      holdAgentControl({
        membership,
        version: '1.2.3',
        log,
        health,
        hello: () => ({ hostname: 'web-1', manifest: { machineName: 'web-1' } }),
        onState: (state) => void states.push(state),
        ...options,
      }),
    );
    return { ...agent, membership, lines, line, states, health };
  };

  it('says hello, hears each state, and reports', async () => {
    const seen = Promise.withResolvers<ConnectAgentResponse>();
    const { control, membership } = await startAgent({ onState: seen.resolve });
    const stream = await site.agents.stream();
    expect(stream).toMatchObject({
      id: membership.id,
      hello: { version: '1.2.3', incarnation: 1n, hostname: 'web-1', hardware, manifest: { machineName: 'web-1' } },
    });
    site.agents.setState(membership.id, { revision: 7n, protection: { pointIntervalSeconds: 60 } });
    expect(await seen.promise).toMatchObject({ revision: 7n, protection: { pointIntervalSeconds: 60 } });
    expect(control.state).toBe('connected');
    control.report({ revision: 7n, pendingBytes: 5n });
    expect(await stream.report()).toMatchObject({ revision: 7n, pendingBytes: 5n });
  });

  it('says hello anew when what it tells has changed, and that is no trouble', async () => {
    let name = 'web-1';
    const { control, states, lines } = await startAgent({ hello: () => ({ hostname: name }) });
    const first = await site.agents.stream();
    name = 'web-2';
    control.introduce();
    const second = await site.agents.stream((stream) => stream !== first);
    await first.ended;
    expect(second.hello.hostname).toBe('web-2');
    control.report({ revision: 3n });
    expect((await second.report()).revision).toBe(3n);
    expect(states.length).toBeLessThanOrEqual(2);
    expect(lines.filter(({ message }) => /away|refused/.test(message))).toEqual([]);
  });

  it('is the same for a process server', async () => {
    const membership = await enter('process-server');
    const seen = Promise.withResolvers<ConnectServerResponse>();
    site.servers.setState(membership.id, { revision: 1n, assignments: [{ vault: 'main' }] });
    const options = { membership, version: '1', log: recordingLog().log, onState: seen.resolve };
    const { control } = started(holdServerControl({ ...options, hello: () => ({ endpoints: ['gw:9443'], vaults: ['main'] }) }));
    const stream = await site.servers.stream();
    expect(stream.hello).toMatchObject({ endpoints: ['gw:9443'], vaults: ['main'], incarnation: 1n });
    expect(await seen.promise).toMatchObject({ assignments: [{ vault: 'main' }] });
    control.report({ journalUsedBytes: 9n });
    expect(await stream.report()).toMatchObject({ journalUsedBytes: 9n });
  });

  it('keeps only the newest report while the server is away, with the events of all, and sends it after the next hello', async () => {
    const { control, membership, line } = await startAgent();
    await site.agents.stream();
    await site.stop();
    await line(({ message }) => message.includes('is away'));
    expect(control.state).not.toBe('connected');
    const report = (revision: bigint, ...codes: string[]): Report => ({ revision, events: codes.map(event) });
    control.report(report(1n, 'a', 'b'));
    control.report(report(2n));
    control.report(report(3n, 'c'));
    await site.start();
    const stream = await site.agents.stream();
    await stream.report(({ revision }) => revision === 3n);
    expect(stream.reports.map(({ revision, events }) => [revision, events.map(({ code }) => code)])).toEqual([[3n, ['a', 'b', 'c']]]);
    expect(stream.id).toBe(membership.id);
  });

  it('loses no report to a connection that broke before', async () => {
    const { control } = await startAgent();
    const first = await site.agents.stream();
    first.fail(new HoldfastError('TIMED_OUT', { thing: 'x', why: 'y', remedy: 'z' }));
    await first.ended;
    const second = await site.agents.stream((stream) => stream !== first);
    control.report({ revision: 1n });
    expect((await second.report()).revision).toBe(1n);
  });

  it('stays up when a state cannot be put in force, and says so until one can', async () => {
    const { membership, control, line, health } = await startAgent({
      onState({ revision }) {
        if (revision === 1n) throw new HoldfastError('DEVICE_NOT_FOUND', { thing: 'disk', why: 'gone', remedy: 'attach it' });
      },
    });
    site.agents.setState(membership.id, { revision: 1n });
    expect(await line(({ level }) => level === 'error')).toMatchObject({ error: { code: 'DEVICE_NOT_FOUND' } });
    expect((await health.report()).ready).toBe(false);
    expect(control.state).toBe('connected');
    site.agents.setState(membership.id, { revision: 2n });
    while (!(await health.report()).ready) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it('stops trying fast when it is revoked, and says what to do', async () => {
    const { membership, control, lines, line, health } = await startAgent();
    const stream = await site.agents.stream();
    site.revoke(membership.id);
    await stream.ended;
    const told = await line(({ message }) => message.includes('is refused'));
    expect(told).toMatchObject({ level: 'error', error: { code: 'CERTIFICATE_REVOKED', remedy: expect.stringContaining('token') } });
    expect(told['retryInSeconds']).toBeGreaterThanOrEqual(30);
    expect(control.state).toBe('refused');
    expect(control.problem?.code).toBe('CERTIFICATE_REVOKED');
    expect((await health.report()).ready).toBe(false);
    expect(lines.filter(({ level }) => level === 'warn')).toEqual([]);
  });

  it('does not call a server that is away a problem of this program', async () => {
    const { line, health, control } = await startAgent();
    await site.agents.stream();
    await site.stop();
    expect((await line(({ message }) => message.includes('is away')))['retryInSeconds']).toBeLessThanOrEqual(0.5);
    expect((await health.report()).ready).toBe(true);
    expect(control.problem?.retryable).toBe(true);
  });

  it('sends nothing to a server of another installation', async () => {
    const [membership, other] = [await enter('agent'), await openTestSite()];
    const { line } = await startAgent({}, { ...membership, servers: fixed(other.address) });
    expect(await line(({ message }) => message.includes('is refused'))).toMatchObject({ error: { code: 'CERTIFICATE_UNTRUSTED' } });
    expect(other.agents.live).toEqual([]);
    await other.close();
  });

  it('goes on at the next address that was told of once the one in use is away, and at one that is pointed out', async () => {
    const [first, second, third] = await Promise.all(['first', 'second', 'third'].map(() => passage(site.address)));
    const membership = await enter('agent', first!.address);
    site.agents.setState(membership.id, { revision: 1n, addresses: [`127.0.0.1:${second!.address.port}`] });
    const told = Promise.withResolvers<void>();
    const { servers } = membership;
    const learn = async (addresses: readonly string[]): Promise<void> => servers.learn(addresses).then(told.resolve);
    const { line } = await startAgent({}, { ...membership, servers: { ...servers, learn } });
    await told.promise;
    await first!.close();
    await line(({ message, server }) => message.includes('is connected') && String(server).includes(String(second!.address.port)));
    // Pointed out at the machine: it needs no restart.
    await preferAddress(directory, membership.id, third!.address);
    await second!.close();
    await line(({ message, server }) => message.includes('is connected') && String(server).includes(String(third!.address.port)));
    // What was told is there after a restart.
    const again = await openMembership({ role: 'agent', hardware, directory, log: recordingLog().log });
    expect(again.servers.all().map(({ port }) => port)).toEqual([third, first, second].map((one) => one!.address.port));
    await third!.close();
  });

  it('goes on where others heard that the server is, while it waits for one that is gone, and believes nobody but its authority', async () => {
    const [first, second] = await Promise.all(['first', 'second'].map(() => passage(site.address)));
    const membership = await enter('agent', first!.address);
    site.agents.setState(membership.id, { revision: 1n });
    const { line, control } = await startAgent({}, membership);
    await line(({ message }) => message.includes('is connected'));
    await first!.close();
    await line(({ message }) => message.includes('is away'));
    const told = { addresses: [`127.0.0.1:${second!.address.port}`], made: 5 };
    const stranger = await createTestAuthority();
    expect(await membership.heed(encodeWhereabouts(told, await stranger.sign(whereaboutsText(told))))).toBe(false);
    expect(membership.servers.all()).toHaveLength(1);
    const content = encodeWhereabouts(told, await site.authority.sign(whereaboutsText(told)));
    expect(await membership.heed(content)).toBe(true);
    await line(({ message, server }) => message.includes('is connected') && String(server).includes(String(second!.address.port)));
    expect(control.state).toBe('connected');
    // It is there after a restart, and what is older than it counts no more.
    const again = await openMembership({ role: 'agent', hardware, directory, log: recordingLog().log });
    expect(again.servers.all().map(({ port }) => port)).toEqual([first, second].map((one) => one!.address.port));
    const older = { addresses: ['127.0.0.1:1'], made: 4 };
    expect(await again.heed(encodeWhereabouts(older, await site.authority.sign(whereaboutsText(older))))).toBe(true);
    expect(again.servers.all()).toHaveLength(2);
    await second!.close();
  });

  it('ends in order, and runs no handler any longer', async () => {
    const { end, lines } = await startAgent();
    const stream = await site.agents.stream();
    await end();
    await stream.ended;
    expect(lines.filter(({ level }) => level !== 'info')).toEqual([]);
  });
});
