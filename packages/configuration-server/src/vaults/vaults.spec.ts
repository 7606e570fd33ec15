import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  AlertService,
  AuditService,
  DiskPhase,
  EventService,
  idBytes,
  JobService,
  JobState,
  newId,
  ProtectionService,
  ServerService,
  type VaultReportSchema,
  VaultService,
  VaultState,
} from '@holdfast/protocol';
import { type AgentStream, connectAgent, connectServer, diskReport, type ServerStream } from '../conformance/test-member.ts';
import { codeOf, endTestServers, enrolMember, startTestServer, type TestMember, type TestServer } from '../conformance/test-server.ts';

const QUICK = { 'alerts.interval': '1s', 'alerts.calm': '0s', 'alerts.away-warning': '10s' };
const [OFFICE, OTHER] = [newId(), newId()];

/** Milliseconds, far more than anything takes. */
const PATIENCE = 20_000;

const eventually = async <T>(look: () => Promise<T>, fits: (value: T) => boolean): Promise<T> => {
  for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
    const value = await look();
    if (fits(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it never came to be');
};

type Report = MessageInitShape<typeof VaultReportSchema>;

const told = (name: string, id: string, place: string, more: object = {}): Report => ({
  name,
  vaultId: idBytes(id),
  location: `file:/srv/${place}`,
  place,
  state: VaultState.OPEN,
  ...more,
});

let server: TestServer;
let streams: { close(): Promise<void> }[];
beforeEach(async () => {
  streams = [];
  server = await startTestServer(QUICK);
});
afterEach(async () => {
  for (const stream of streams) await stream.close();
  await endTestServers();
});

/** A process server that knows its vaults, and says at once that what is wanted is in force. */
const connect = async (member: TestMember, reports: readonly Report[], hello: object = {}): Promise<ServerStream> => {
  const stream = connectServer(server, member, {
    endpoints: [`127.0.0.1:${streams.length + 1}`],
    vaults: reports.map(({ name }) => name),
    vaultReports: reports,
    vaultsById: true,
    ...hello,
  });
  streams.push(stream);
  await stream.until(() => true);
  let seen = 0;
  void (async () => {
    for (;;) {
      const state = await stream.until(() => stream.states.length > seen).catch(() => undefined);
      if (state === undefined) return;
      seen = stream.states.length;
      stream.report({ revision: stream.states.at(-1)!.revision, vaults: [...reports] });
    }
  })();
  return stream;
};

const gateway = (name: string): Promise<TestMember> => enrolMember(server, 'process-server', name, { endpoints: ['127.0.0.1:1'] });

const protectWeb = async (vault: string): Promise<AgentStream> => {
  const machine = await enrolMember(server, 'agent', 'web1');
  const agent = connectAgent(server, machine, 'web1');
  streams.push(agent);
  await agent.until(() => true);
  const { job } = await server.api(ProtectionService).protect({ machine: 'web1', vault });
  const { revision } = await agent.until(({ protection }) => protection !== undefined);
  agent.report(diskReport(revision, DiskPhase.COPYING));
  agent.report(diskReport(revision));
  await eventually(
    async () => (await server.api(JobService).getJob({ id: job!.id })).job!,
    ({ state }) => state >= JobState.SUCCEEDED,
  );
  return agent;
};

const vaults = async () => (await server.api(VaultService).listVaults({})).vaults;
const show = async (vault: string) => (await server.api(VaultService).getVault({ vault })).vault!;
const codes = async (): Promise<string[]> => (await server.api(EventService).listEvents({ pageSize: 500 })).events.map(({ code }) => code);
const alerts = async (): Promise<string[]> => (await server.api(AlertService).listAlerts({})).alerts.map(({ code }) => code);
const assigned = (stream: ServerStream): string | undefined => stream.states.at(-1)?.assignments[0]?.vault;

describe('a vault of the site', () => {
  it('registers itself once, with event and audit, and two of one name are two', async () => {
    expect(await vaults()).toEqual([]);
    const one = await gateway('one');
    await (await connect(one, [told('office', OFFICE, 'a')])).close();
    await connect(one, [told('office', OFFICE, 'a'), told('attic', OTHER, 'b')]);
    await connect(await gateway('two'), [told('attic', OFFICE, 'a'), told('office', OTHER, 'b')]);
    expect((await vaults()).map(({ name, id }) => [name, id]).toSorted()).toEqual([
      ['attic', OTHER],
      ['office', OFFICE],
    ]);
    expect((await codes()).filter((code) => code === 'vault-registered')).toHaveLength(2);
    const { records } = await server.api(AuditService).listAudit({ pageSize: 500 });
    expect(
      records
        .filter(({ action }) => action === 'RegisterVault')
        .map(({ subject }) => subject)
        .toSorted(),
    ).toEqual([OFFICE, OTHER].toSorted());
    expect((await show('office')).servers.map(({ serverName, report }) => [serverName, report?.name]).toSorted()).toEqual([
      ['one', 'office'],
      ['two', 'attic'],
    ]);
  });

  it('that process servers of an earlier version know by its name alone is bound to what it is when that is known', async () => {
    const old = await gateway('old');
    const before = connectServer(server, old, { endpoints: ['127.0.0.1:7'] });
    streams.push(before);
    await before.until(() => true);
    before.report({ revision: before.states.at(-1)!.revision });
    const protecting = protectWeb('office');
    await before.until(({ assignments }) => assignments.length > 0);
    before.report({ revision: before.states.at(-1)!.revision });
    await protecting;
    expect(assigned(before)).toBe('office');
    const protection = async () => (await server.api(ProtectionService).listProtections({})).protections[0]!;
    expect(await protection()).toMatchObject({ vault: 'office', vaultId: '' });
    // Another server, of this version, tells what it is; the old one is told the name that it knows, as before.
    await connect(await gateway('new'), [told('office', OFFICE, 'a')]);
    before.report({ revision: before.states.at(-1)!.revision });
    await eventually(protection, ({ vaultId }) => vaultId === OFFICE);
    expect(await show('office')).toMatchObject({ id: OFFICE, machines: 1 });
    expect((await show('office')).servers.map(({ serverName, connected }) => [serverName, connected]).toSorted()).toEqual([
      ['new', true],
      ['old', true],
    ]);
    expect(before.states.every(({ assignments }) => assignments.every(({ vault }) => vault === 'office'))).toBe(true);
    await before.close();
    const upgraded = await connect(old, [told('hq', OFFICE, 'a')]);
    expect(assigned(upgraded)).toBe(OFFICE);
  });

  it('that two process servers of an earlier version knew by one name is to each what it tells, once both told', async () => {
    const [one, other] = [await gateway('one'), await gateway('other')];
    const before = connectServer(server, one, { endpoints: ['127.0.0.1:7'] });
    streams.push(before);
    await before.until(() => true);
    const protecting = protectWeb('office');
    await before.until(({ assignments }) => assignments.length > 0);
    before.report({ revision: before.states.at(-1)!.revision });
    await protecting;
    await before.close();
    // The name is registered for another vault before the machine's own process server is there again.
    await connect(other, [told('office', OTHER, 'b')]);
    const protection = async () => (await server.api(ProtectionService).listProtections({})).protections[0]!;
    expect(await protection()).toMatchObject({ vaultId: '' });
    expect(assigned(await connect(one, [told('office', OFFICE, 'a')]))).toBe(OFFICE);
    expect(await protection()).toMatchObject({ vaultId: OFFICE });
  });

  it('is renamed by who read it last, and nothing that refers to it is lost', async () => {
    const stream = await connect(await gateway('one'), [told('office', OFFICE, 'a'), told('attic', OTHER, 'b')]);
    await protectWeb('office');
    const { version } = await show('office');
    const rename = (name: string, from = version) => server.api(VaultService).renameVault({ vault: 'office', name, version: from });
    expect(await codeOf(rename('hq', version + 1n))).toBe('VERSION_CONFLICT');
    expect(await codeOf(rename('attic'))).toBe('NAME_TAKEN');
    expect(await codeOf(rename(OTHER))).toBe('REQUEST_INVALID');
    expect((await rename('hq')).vault).toMatchObject({ id: OFFICE, name: 'hq', machines: 1 });
    expect((await server.api(ProtectionService).listProtections({})).protections).toMatchObject([{ vault: 'hq', vaultId: OFFICE }]);
    expect(assigned(stream)).toBe(OFFICE);
    expect(await codeOf(show('office'))).toBe('RESOURCE_NOT_FOUND');
  });

  it('that people gave the name of another one is not taken for that by process servers that know names alone', async () => {
    const one = await gateway('one');
    await connect(one, [told('office', OFFICE, 'a'), told('attic', OTHER, 'b')]);
    const rename = async (vault: string, name: string) =>
      server.api(VaultService).renameVault({ vault, name, version: (await show(vault)).version });
    await rename(OFFICE, 'hq');
    await rename(OTHER, 'office');
    const stream = connectServer(server, await gateway('old'), { endpoints: ['127.0.0.1:7'], vaults: ['office'] });
    streams.push(stream);
    await stream.until(() => true);
    const serves = async (id: string) => (await show(id)).servers.map(({ serverName }) => serverName).toSorted();
    expect(await serves(OFFICE)).toEqual(['old', 'one']);
    expect(await serves(OTHER)).toEqual(['one']);
  });

  it('has no name of the form of an id', async () => {
    await connect(await gateway('one'), [told(OFFICE, OTHER, 'b')]);
    expect((await vaults()).map(({ name, id }) => [name, id])).toEqual([['vault', OTHER]]);
    expect(await codeOf(show(OFFICE))).toBe('RESOURCE_NOT_FOUND');
  });

  it('moves with its process server; two places of it are told, and no machine is moved between them', async () => {
    const [one, two] = [await gateway('one'), await gateway('two')];
    const first = await connect(one, [told('office', OFFICE, 'a')]);
    await protectWeb('office');
    await connect(two, [told('office', OFFICE, 'copy')]);
    expect(await show('office')).toMatchObject({ location: 'file:/srv/a' });
    await eventually(alerts, (all) => all.includes('vault-in-two-places'));
    expect(await codeOf(server.api(ProtectionService).move({ machine: 'web1', processServer: 'two' }))).toBe('PREREQUISITES_MISSING');
    expect((await codes()).includes('vault-moved')).toBe(false);
    // That the first one is away for a moment makes the copy no vault.
    await first.close();
    await eventually(
      async () => (await server.api(ServerService).listServers({})).servers.find(({ name }) => name === 'one')!.connected,
      (connected) => !connected,
    );
    expect(await show('office')).toMatchObject({ location: 'file:/srv/a' });
    // It goes there too: from then on that is the place.
    const moved = await connect(one, [told('office', OFFICE, 'copy')]);
    await eventually(
      () => show('office'),
      ({ location }) => location === 'file:/srv/copy',
    );
    expect(await codes()).toContain('vault-moved');
    expect(assigned(moved)).toBe(OFFICE);
    await eventually(alerts, (all) => !all.includes('vault-in-two-places'));
    await eventually(
      () => codeOf(server.api(ProtectionService).move({ machine: 'web1', processServer: 'two' })),
      (code) => code === 'no error',
    );
  });

  it('counts where another process server has it once the one that was lost with its place is removed', async () => {
    const first = await connect(await gateway('one'), [told('office', OFFICE, 'a')]);
    await protectWeb('office');
    await first.close();
    const second = await connect(await gateway('two'), [told('office', OFFICE, 'copy')]);
    await eventually(
      async () => (await show('office')).problems.join(),
      (problems) => problems.includes('holdfast server remove'),
    );
    expect(await show('office')).toMatchObject({ location: 'file:/srv/a' });
    const { version } = (await server.api(ServerService).listServers({})).servers.find(({ name }) => name === 'one')!;
    await server.api(ServerService).removeServer({ server: 'one', version, force: true });
    second.report({ revision: second.states.at(-1)!.revision, vaults: [told('office', OFFICE, 'copy')] });
    await eventually(
      () => show('office'),
      ({ location, servers }) => location === 'file:/srv/copy' && servers.every(({ elsewhere }) => !elsewhere),
    );
  });

  it('that another one has taken the name of is told, and the other is not registered', async () => {
    const one = await gateway('one');
    const first = await connect(one, [told('office', OFFICE, 'a')]);
    await protectWeb('office');
    await first.close();
    const replaced = { state: VaultState.OTHER, previousVaultId: idBytes(OFFICE), problemCode: 'VAULT_NOT_HELD' };
    await connect(one, [told('office', OTHER, 'b', replaced)]);
    await eventually(alerts, (all) => all.includes('vault-replaced'));
    expect((await vaults()).map(({ id }) => id)).toEqual([OFFICE]);
    expect((await show('office')).problems.join()).toContain('call another vault office now');
  });

  it('is given up when nothing uses it, and comes back by nobody but people', async () => {
    const one = await gateway('one');
    const stream = await connect(one, [told('office', OFFICE, 'a')]);
    const give = async (force = false) =>
      server.api(VaultService).decommissionVault({ vault: OFFICE, version: (await show(OFFICE)).version, force });
    const agent = await protectWeb('office');
    expect(await codeOf(give())).toBe('VAULT_IN_USE');
    // A process server can open it: nobody has to force anything.
    expect(await codeOf(give(true))).toBe('VAULT_IN_USE');
    const { job } = await server.api(ProtectionService).unprotect({ machine: 'web1' });
    const { revision } = await agent.until(() => agent.states.at(-1)!.protection === undefined);
    agent.report({ revision: agent.states.at(-1)?.revision ?? revision });
    await eventually(
      async () => (await server.api(JobService).getJob({ id: job!.id })).job!.state,
      (state) => state === JobState.SUCCEEDED,
    );
    expect((await give()).vault).toMatchObject({ decommissionedBy: 'administrator' });
    await stream.close();
    await connect(one, [told('office', OFFICE, 'a')]);
    expect(await show(OFFICE)).toMatchObject({ name: 'office', servers: [{ serverName: 'one', connected: true }] });
    expect((await show(OFFICE)).decommissionedUnixMillis).toBeGreaterThan(0n);
    expect(await codeOf(server.api(ProtectionService).protect({ machine: 'web1', vault: 'office' }))).toBe('VAULT_DECOMMISSIONED');
    expect((await codes()).filter((code) => code === 'vault-registered')).toHaveLength(1);
    const { version } = await show(OFFICE);
    expect((await server.api(VaultService).readmitVault({ vault: OFFICE, version })).vault?.decommissionedUnixMillis).toBe(0n);
  });

  it('that cannot be reached is given up by force: its protections end, and that is told', async () => {
    const one = await gateway('one');
    const first = await connect(one, [told('office', OFFICE, 'a')]);
    const agent = await protectWeb('office');
    await first.close();
    const away = { state: VaultState.UNREACHABLE, problemCode: 'STORE_UNAVAILABLE', problem: 'it is away' };
    const stream = await connect(one, [told('office', OFFICE, 'a', away)]);
    await eventually(alerts, (all) => all.includes('vault-unreachable'));
    const { version } = await show(OFFICE);
    const { unprotected } = await server.api(VaultService).decommissionVault({ vault: OFFICE, version, force: true });
    expect(unprotected).toEqual(['web1']);
    await agent.until(() => agent.states.at(-1)!.protection === undefined);
    await stream.until(() => stream.states.at(-1)!.assignments.length === 0);
    expect(await codes()).toEqual(expect.arrayContaining(['vault-decommissioned', 'protection-ended']));
    expect((await server.api(ProtectionService).listProtections({})).protections).toEqual([]);
  });

  it('is refused when what is told of it is nonsense', async () => {
    const one = await gateway('one');
    const wrong = (reports: readonly Report[]) => {
      const stream = connectServer(server, one, { vaults: ['office'], vaultReports: reports, vaultsById: true });
      streams.push(stream);
      return stream.ended;
    };
    expect((await wrong([{ ...told('office', OFFICE, 'a'), vaultId: Uint8Array.of(1) }]))?.code).toBe('REQUEST_INVALID');
    expect((await wrong([told('office', OFFICE, 'a', { location: 'x'.repeat(5000) })]))?.code).toBe('REQUEST_INVALID');
    expect((await wrong(Array.from({ length: 300 }, () => told('office', OFFICE, 'a'))))?.code).toBe('REQUEST_INVALID');
    expect(await vaults()).toEqual([]);
  });
});
