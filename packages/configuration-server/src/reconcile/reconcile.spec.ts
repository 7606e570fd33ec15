import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  AlertService,
  BackupService,
  DiskPhase,
  EventService,
  idBytes,
  MachineService,
  type Protection,
  ProtectionService,
  ProtectionState,
} from '@holdfast/protocol';
import { restore } from '../backup/restore.ts';
import { type AgentStream, connectAgent, connectServer, DISK, diskReport, type ServerStream } from '../conformance/test-member.ts';
import { codeOf, endTestServers, enrolMember, startTestServer, type TestMember, type TestServer } from '../conformance/test-server.ts';
import { boundedTerm, TERM_JUMP } from './bounded-term.ts';

const PASSPHRASE = 'a passphrase for tests';
const GIVEN = { 'backup.passphrase': PASSPHRASE, 'alerts.interval': '100ms' };

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-reconcile-'));
});
afterEach(async () => {
  await endTestServers();
  await rm(directory, { recursive: true, force: true });
});

const eventually = async <T>(ask: () => Promise<T>, fits: (value: T) => boolean): Promise<T> => {
  for (let tries = 0; tries < 1000; tries += 1) {
    const value = await ask();
    if (fits(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it never came to be');
};

const backupOf = async (server: TestServer): Promise<Buffer> => {
  const taken: Uint8Array[] = [];
  for await (const { part } of server.api(BackupService).createBackup({})) taken.push(part);
  return Buffer.concat(taken);
};

/** Another server, made of a backup of the first. */
const restored = async (backup: Buffer, administrator: string, settle = '0s'): Promise<TestServer> => {
  const place = await mkdtemp(path.join(directory, 'new-'));
  async function* content() {
    yield backup;
  }
  await rm(place, { recursive: true });
  await restore({ content: content(), passphrase: PASSPHRASE, thing: 'it', stateDirectory: place });
  await writeFile(path.join(place, 'administrator.token'), administrator);
  return startTestServer({ ...GIVEN, 'reconciliation.settle': settle }, place);
};

const protectionOf = async (server: TestServer): Promise<Protection | undefined> =>
  (await server.api(ProtectionService).listProtections({})).protections[0];

const protect = async (server: TestServer, agent: AgentStream, receiver: ServerStream): Promise<void> => {
  await agent.until(() => true);
  await receiver.until(() => true);
  await server.api(ProtectionService).protect({ machine: 'web1', policy: 'default', vault: 'office' });
  const assigned = await receiver.until(({ assignments }) => assignments.length > 0);
  receiver.report({ revision: assigned.revision });
  const { revision } = await agent.until(({ protection }) => protection !== undefined);
  agent.report(diskReport(revision));
  await eventually(
    () => protectionOf(server),
    (protection) => protection?.state === ProtectionState.PROTECTED,
  );
};

const codesOf = async (server: TestServer): Promise<string[]> =>
  (await server.api(EventService).listEvents({ pageSize: 500 })).events.map(({ code }) => code);

interface Members {
  readonly server: TestServer;
  readonly machine: TestMember;
  readonly gateway: TestMember;
  readonly agent: AgentStream;
  readonly receiver: ServerStream;
}

const begin = async (): Promise<Members> => {
  const server = await startTestServer(GIVEN);
  const machine = await enrolMember(server, 'agent', 'web1');
  const gateway = await enrolMember(server, 'process-server', 'gw', { endpoints: ['127.0.0.1:9443'] });
  return { server, machine, gateway, agent: connectAgent(server, machine, 'web1'), receiver: connectServer(server, gateway) };
};

/** What a process server tells of the machine it receives. */
const heldReport = (machine: TestMember, line: object = {}, retention = '72h') => ({
  held: [{ machineId: idBytes(machine.id), machineName: 'web1', vault: 'office', seenTerm: 3n, retention }],
  lines: [
    {
      machineId: idBytes(machine.id),
      vault: 'office',
      machineName: 'web1',
      term: 7n,
      newestPointUnixMillis: BigInt(Date.now() + 60_000),
      ...line,
    },
  ],
  vaultsRead: ['office'],
});

describe('a server that was restored', () => {
  it('tells members nothing new, says so, and steers again once an administrator confirms', async () => {
    const { server, machine, gateway, agent, receiver } = await begin();
    await protect(server, agent, receiver);
    const backup = await backupOf(server);
    await server.stop();
    const fresh = await restored(backup, server.administrator);
    const stream = connectAgent(fresh, machine, 'web1');
    const taking = connectServer(fresh, gateway);
    expect(await stream.until(() => true)).toMatchObject({ reconciling: true, addresses: [expect.stringContaining(':')] });
    const told = await taking.until(() => true);
    expect([told.reconciling, told.assignments, stream.states[0]!.protection]).toEqual([true, [], undefined]);
    // What members had in force is of revisions that this server gives out again to nobody.
    expect(told.revision).toBeGreaterThan(receiver.states.at(-1)!.revision);
    const alerts = await eventually(
      async () => (await fresh.api(AlertService).listAlerts({})).alerts,
      (all) => all.some(({ code }) => code === 'restored-unconfirmed'),
    );
    expect(alerts.find(({ code }) => code === 'restored-unconfirmed')!.text).toContain('holdfast restore confirm');
    expect(await fresh.api(BackupService).getReconciliation({})).toMatchObject({
      waiting: true,
      from: 'backup',
      missing: expect.arrayContaining(['no process server has read the vault office yet']),
    });
    expect(await codeOf(fresh.api(BackupService).confirmRestore({}))).toBe('PREREQUISITES_MISSING');
    expect([stream.states.length, taking.states.length]).toEqual([1, 1]);
    await fresh.api(BackupService).confirmRestore({ force: true });
    expect((await stream.until(({ reconciling }) => !reconciling)).protection).toBeDefined();
    expect((await taking.until(({ reconciling }) => !reconciling)).assignments[0]!.retention).not.toBe('');
    expect(await codesOf(fresh)).toContain('restore-confirmed');
    expect((await fresh.api(BackupService).getReconciliation({})).waiting).toBe(false);
  }, 60_000);

  it('learns of a machine that joined and was protected after the backup, and of one that was shut out', async () => {
    const server = await startTestServer(GIVEN);
    const backup = await backupOf(server);
    const machine = await enrolMember(server, 'agent', 'web1');
    const gateway = await enrolMember(server, 'process-server', 'gw', { endpoints: ['127.0.0.1:9443'] });
    const outcast = await enrolMember(server, 'agent', 'outcast');
    await server.stop();
    const fresh = await restored(backup, server.administrator, '7d');
    const taking = connectServer(fresh, gateway);
    await taking.until(({ reconciling }) => reconciling);
    const revoked = new X509Certificate(outcast.credentials.certificateChain).serialNumber.toLowerCase();
    taking.report({ ...heldReport(machine), heldRevokedSerials: [Uint8Array.from(Buffer.from(revoked, 'hex'))] });
    // The machine has not said yet which of its disks are protected: nothing ends before.
    const { differences } = await eventually(
      () => fresh.api(BackupService).getReconciliation({}),
      (state) => state.differences.length > 0,
    );
    expect(differences.join()).toContain('web1');
    const stream = connectAgent(fresh, machine, 'web1');
    expect((await stream.until(() => true)).reconciling).toBe(true);
    stream.report(diskReport(900n));
    await eventually(
      async () => (await fresh.api(MachineService).getMachine({ machine: 'web1' })).machine!,
      ({ report }) => report !== undefined,
    );
    expect(await codeOf(fresh.api(BackupService).confirmRestore({}))).toBe('PREREQUISITES_MISSING');
    taking.report(heldReport(machine));
    await eventually(
      () => fresh.api(BackupService).getReconciliation({}),
      (now) => now.differences.length + now.missing.length === 0,
    );
    expect(stream.states).toHaveLength(1);
    await fresh.api(BackupService).confirmRestore({});
    const state = await stream.until(({ reconciling }) => !reconciling);
    expect(state.protection?.diskIds).toEqual([DISK]);
    const { assignments } = await taking.until(({ reconciling }) => !reconciling);
    expect(assignments).toMatchObject([{ machineName: 'web1', vault: 'office', seenTerm: 7n }]);
    expect(await protectionOf(fresh)).toMatchObject({ machineId: machine.id, vault: 'office', processServerId: gateway.id });
    expect(await codesOf(fresh)).toEqual(expect.arrayContaining(['member-readmitted', 'protection-adopted', 'restore-confirmed']));
    expect((await connectAgent(fresh, outcast, 'outcast').ended)?.code).toBe('CERTIFICATE_REVOKED');
  }, 60_000);

  it('never lets a machine send that its vault says was failed over meanwhile', async () => {
    const { server, machine, gateway, agent, receiver } = await begin();
    await protect(server, agent, receiver);
    const backup = await backupOf(server);
    await server.stop();
    const fresh = await restored(backup, server.administrator);
    const stream = connectAgent(fresh, machine, 'web1');
    const taking = connectServer(fresh, gateway);
    await stream.until(({ reconciling }) => reconciling);
    await taking.until(({ reconciling }) => reconciling);
    taking.report(heldReport(machine, { failoverOperationId: idBytes('c'.repeat(32)), failoverPointId: idBytes('d'.repeat(32)) }));
    expect((await stream.until(({ reconciling }) => !reconciling)).protection?.processServers ?? []).toEqual([]);
    expect(await protectionOf(fresh)).toMatchObject({ state: ProtectionState.FAILED_OVER });
    expect(await codesOf(fresh)).toContain('failed-over-found');
  }, 60_000);

  it('waits for people where a vault has points of a machine that nobody holds', async () => {
    const server = await startTestServer(GIVEN);
    const machine = await enrolMember(server, 'agent', 'web1');
    const gateway = await enrolMember(server, 'process-server', 'gw', { endpoints: ['127.0.0.1:9443'] });
    const backup = await backupOf(server);
    await server.stop();
    const fresh = await restored(backup, server.administrator);
    const taking = connectServer(fresh, gateway);
    await taking.until(({ reconciling }) => reconciling);
    taking.report({ ...heldReport(machine), held: [] });
    const { differences, missing } = await eventually(
      () => fresh.api(BackupService).getReconciliation({}),
      (state) => state.differences.length > 0,
    );
    expect([missing, differences]).toEqual([[], [expect.stringContaining('web1 has made recovery points in vault office since')]]);
    // The same machine, but its points are all older than the backup: it was not protected any more.
    taking.report({ ...heldReport(machine, { newestPointUnixMillis: 5n }), held: [] });
    await taking.until(({ reconciling }) => !reconciling);
  }, 60_000);
});

describe('terms', () => {
  it('are believed as far as writers can have taken them', async () => {
    expect(boundedTerm(5, 6n)).toBe(6);
    expect(boundedTerm(5, BigInt(5 + TERM_JUMP))).toBe(5 + TERM_JUMP);
    expect(boundedTerm(5, BigInt(6 + TERM_JUMP))).toBeUndefined();
    expect(boundedTerm(5, 2n ** 53n - 1n)).toBeUndefined();
    const { server, machine, gateway, agent, receiver } = await begin();
    await protect(server, agent, receiver);
    const report = (term: bigint) => receiver.report({ revision: 1n, machines: [{ machineId: idBytes(machine.id), term }] });
    report(2n ** 53n - 1n);
    report(2n ** 53n - 1n);
    await eventually(
      () => codesOf(server),
      (codes) => codes.includes('term-unbelievable'),
    );
    // The true one counts still; the lie was told of once.
    report(9n);
    const { assignments } = await receiver.until((state) => state.assignments[0]?.seenTerm === 9n);
    expect(assignments).toHaveLength(1);
    expect((await codesOf(server)).filter((code) => code === 'term-unbelievable')).toHaveLength(1);
    expect(gateway.id).not.toBe('');
    expect(DiskPhase.REPLICATING).toBe(4);
  }, 60_000);
});
