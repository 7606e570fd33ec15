import { create } from '@bufbuild/protobuf';
import {
  AccessTokenService,
  AgentReportSchema,
  AlertService,
  AuditService,
  CheckResult,
  DiskPhase,
  EventService,
  Health,
  idBytes,
  PersonRole,
  PolicySchema,
  ProtectionSchema,
  ProtectionState,
  ServerReportSchema,
  ServerService,
  Severity,
} from '@holdfast/protocol';
import type { Checked } from '../checks/check-machine.ts';
import { connectServer } from '../conformance/test-member.ts';
import { codeOf, endTestServers, enrolMember, startTestServer } from '../conformance/test-server.ts';
import { type AgentPresence, createPresence, type ServerPresence } from '../control/presence.ts';
import { assignments, machines, policies, protections, servers as serverKind } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import type { StateStore } from '../state/state-store.ts';
import { createAlertEngine } from './alert-engine.ts';
import { alerts } from './alert-record.ts';

afterAll(endTestServers);

const MINUTE = 60_000;
const START = Date.now();
const MACHINE = 'a'.repeat(32);
const SERVER = 'b'.repeat(32);
const thresholds = {
  awayWarning: 5 * MINUTE,
  awayCritical: 15 * MINUTE,
  journalWarning: 70,
  journalCritical: 75,
  cpuWarning: 80,
  cpuCritical: 95,
  memoryWarning: 80,
  memoryCritical: 95,
  backlogWarning: 30 * MINUTE,
  backlogCritical: 45 * MINUTE,
  rpoCritical: 4,
};
const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent } as never;

/** One machine that is protected with an RPO of a minute, its process server, and a clock. */
const openWorld = async (state: ProtectionState = ProtectionState.PROTECTED, seen = (store: StateStore): StateStore => store) => {
  const store = createMemoryStore({ events: 1000, audit: 10, changes: 1000 });
  const agents: AgentPresence = createPresence();
  const servers: ServerPresence = createPresence();
  let now = START;
  let own: string | undefined;
  const lacking = new Map<string, Checked>();
  await transact(store, async (transaction) => {
    transaction.put(machines, MACHINE, { name: 'db1', agentVersion: '1', lastSeen: 0, protectionId: 'c' });
    transaction.put(protections, 'c', create(ProtectionSchema, { machineId: MACHINE, policyId: 'd', state, stateDetail: 'why' }));
    transaction.put(policies, 'd', create(PolicySchema, { name: 'gold', pointIntervalSeconds: 5, rpoThresholdSeconds: 60 }));
    transaction.put(serverKind, SERVER, {
      name: 'ps1',
      role: 'process-server',
      softwareVersion: '1',
      lastSeen: 0,
      endpoints: [],
      vaults: [],
    });
    transaction.put(assignments, `${SERVER}/${MACHINE}`, { vault: 'office', machineName: 'db1' });
  });
  const engine = createAlertEngine({
    store: seen(store),
    agents,
    servers,
    thresholds,
    checking: { found: (id) => lacking.get(id) },
    interval: 1,
    reconciliation: { state: async () => undefined },
    ownProblem: () => own,
    log: silent,
    now: () => now,
  });
  const agent = agents.open(MACHINE, {} as never, () => undefined);
  const server = servers.open(SERVER, {} as never, () => undefined);
  const look = async (): Promise<string[]> => {
    await engine.look();
    return engine
      .current()
      .map(({ value: { severity, code } }) => `${severity} ${code}`)
      .toSorted();
  };
  const events = async (): Promise<string[]> =>
    (await store.events({ limit: 100 })).map(({ severity, code }) => `${severity} ${code}`).toReversed();
  return {
    store,
    engine,
    agent,
    server,
    lacking,
    look,
    events,
    at: (milliseconds: number) => {
      now = START + milliseconds;
    },
    ownProblem: (words: string | undefined) => {
      own = words;
    },
    point: (milliseconds: number) => agent.reported(create(AgentReportSchema, { newestPointUnixMillis: BigInt(START + milliseconds) })),
  };
};

describe('alerts', () => {
  it('tell what a protection needs and lacks, as long as it does', async () => {
    const { point, look, lacking, engine } = await openWorld();
    point(0);
    const found = (result: CheckResult): Checked => ({
      at: 1,
      findings: [{ code: 'disk-kind', thing: '/dev/sdb', result, text: 'it is zoned', remedy: '' }],
    });
    lacking.set(MACHINE, found(CheckResult.FAILED));
    expect(await look()).toEqual(['warning prerequisites-missing']);
    expect(engine.current()[0]!.value.text).toContain('disk-kind (/dev/sdb): it is zoned');
    lacking.set(MACHINE, found(CheckResult.WARNING));
    expect(await look()).toEqual([]);
  });

  it('rise with the RPO, grow, and are over when a point comes; each is told once', async () => {
    const { at, point, look, events, engine } = await openWorld();
    point(0);
    at(MINUTE);
    expect(await look()).toEqual([]);
    expect(engine.healthOf(MACHINE)).toBe(Health.HEALTHY);
    at(MINUTE + 1);
    expect(await look()).toEqual(['warning rpo-exceeded']);
    at(2 * MINUTE);
    expect(await look()).toEqual(['warning rpo-exceeded']);
    expect(engine.textOf(engine.current()[0]!)).toBe('db1: its newest safe recovery point is 2 min old; the policy allows 60 s');
    expect(engine.healthOf(MACHINE)).toBe(Health.WARNING);
    at(4 * MINUTE + 1);
    expect(await look()).toEqual(['critical rpo-exceeded']);
    expect(engine.healthOf(MACHINE)).toBe(Health.CRITICAL);
    point(4 * MINUTE);
    expect(await look()).toEqual([]);
    expect(engine.healthOf(MACHINE)).toBe(Health.HEALTHY);
    expect(await events()).toEqual(['warning rpo-exceeded', 'critical rpo-exceeded', 'information rpo-exceeded-over']);
  });

  it('do not end by a look that began before they did', async () => {
    const held = Promise.withResolvers<void>();
    let lists = 0;
    const { at, point, look, events } = await openWorld(ProtectionState.PROTECTED, (store) => ({
      ...store,
      async list(options) {
        if (options.prefix === alerts.prefix && ++lists === 1) await held.promise;
        return store.list(options);
      },
    }));
    point(0);
    at(MINUTE);
    const early = look();
    await new Promise((resolve) => setTimeout(resolve, 10));
    at(2 * MINUTE);
    const late = look();
    await new Promise((resolve) => setTimeout(resolve, 10));
    held.resolve();
    await Promise.all([early, late]);
    expect(await events()).toEqual(['warning rpo-exceeded']);
  });

  it('say in a short line what a machine told at length', async () => {
    const { agent, look, engine } = await openWorld();
    const problem = `\u001b[2J\n${'x'.repeat(10_000)}`;
    agent.reported(
      create(AgentReportSchema, {
        newestPointUnixMillis: BigInt(START),
        disks: [{ diskId: idBytes(SERVER), phase: DiskPhase.FAILED, problemCode: 'READ_FAILED', problem }],
      }),
    );
    await look();
    const { text } = engine.current()[0]!.value;
    expect(text.length).toBeLessThan(700);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those must not be there
    expect(text).not.toMatch(/[\u0000-\u001f]/);
  });

  it('believe the process server where the agent is away', async () => {
    const { at, server, agent, look } = await openWorld();
    agent.close();
    const machine = (milliseconds: number) => [{ machineId: idBytes(MACHINE), newestPointUnixMillis: BigInt(START + milliseconds) }];
    at(4 * MINUTE);
    server.reported(create(ServerReportSchema, { machines: machine(3.5 * MINUTE) }));
    expect(await look()).toEqual([]);
    server.reported(create(ServerReportSchema, { machines: machine(0) }));
    expect(await look()).toEqual(['warning rpo-exceeded']);
  });

  it('tell of who is away, from when this server could know', async () => {
    const { at, point, agent, server, look } = await openWorld();
    point(4 * MINUTE);
    at(4 * MINUTE);
    agent.close();
    server.close();
    expect(await look()).toEqual([]);
    at(6 * MINUTE);
    expect(await look()).toEqual(['warning agent-away', 'warning rpo-exceeded', 'warning server-away']);
    at(20 * MINUTE);
    expect(await look()).toEqual(['critical agent-away', 'critical rpo-exceeded', 'critical server-away']);
    // Nobody has connected since this server was started, five hours after it stopped.
    const fresh = await openWorld();
    fresh.agent.close();
    fresh.server.close();
    fresh.at(MINUTE - 1000);
    expect(await fresh.look()).toEqual([]);
  });

  it('tell of disks, of clocks, of resynchronization and failure', async () => {
    const failing = await openWorld(ProtectionState.FAILED);
    failing.agent.reported(
      create(AgentReportSchema, {
        newestPointUnixMillis: BigInt(START + 5 * MINUTE),
        disks: [{ diskId: idBytes(MACHINE), phase: DiskPhase.FAILED, problemCode: 'IO_FAILED', problem: 'sector 7' }],
      }),
    );
    expect(await failing.look()).toEqual(['critical disk-problem', 'critical replication-failed', 'warning clock-differs']);
    // The state's own events tell of it; the alert adds none.
    expect(await failing.events()).toEqual(['critical disk-problem', 'warning clock-differs']);
    const comparing = await openWorld(ProtectionState.RESYNCHRONIZING);
    expect(await comparing.look()).toEqual(['warning resynchronizing']);
    const preparing = await openWorld(ProtectionState.PREPARING);
    preparing.at(10 * MINUTE);
    expect((await preparing.look()).filter((alert) => alert.includes('rpo'))).toEqual([]);
  });

  it('tell of a journal that fills, and of processors that stay busy', async () => {
    const { at, point, server, look } = await openWorld();
    const report = (used: number, cpuShare: number) =>
      server.reported(
        create(ServerReportSchema, { journalUsedBytes: BigInt(used), journalQuotaBytes: 100n, cpuShare: 2 * cpuShare, processors: 2 }),
      );
    report(69, 0.85);
    expect(await look()).toEqual([]);
    report(70, 0.85);
    expect(await look()).toEqual(['warning journal-filling']);
    report(75, 0.85);
    expect(await look()).toEqual(['critical journal-filling']);
    report(0, 0.85);
    at(15 * MINUTE);
    point(15 * MINUTE);
    expect(await look()).toEqual(['warning server-busy']);
    report(0, 0.1);
    expect(await look()).toEqual([]);
    // It has to last anew.
    report(0, 0.99);
    expect(await look()).toEqual([]);
  });

  it('tell of memory that stays full, and of what waits long for its vault, and why', async () => {
    const { at, point, server, look, events, engine } = await openWorld();
    const report = (used: number, minutes: number) =>
      server.reported(
        create(ServerReportSchema, {
          memoryBytes: 100n,
          memoryUsedBytes: BigInt(used),
          machines: [
            { machineId: new Uint8Array(16), oldestPendingMillis: 5n, pendingBytes: 3_000_000n, uploadingBytes: 1_000_000n },
            { machineId: new Uint8Array(16), oldestPendingMillis: BigInt(minutes * MINUTE), problem: 'the store is away' },
          ],
        }),
      );
    report(79, 29);
    expect(await look()).toEqual([]);
    report(80, 30);
    expect(await look()).toEqual(['warning upload-backlog']);
    report(80, 45);
    at(15 * MINUTE);
    point(15 * MINUTE);
    expect(await look()).toEqual(['critical upload-backlog', 'warning server-memory']);
    expect(await events()).toContain('critical upload-backlog');
    expect(engine.current().find(({ value }) => value.code === 'upload-backlog')!.value.text).toContain(
      'for 45 min; 3.0 MB are in its journal, 1.0 of them on the way into the store: the store is away',
    );
    report(10, 0);
    expect(await look()).toEqual([]);
  });

  it('tell of a catalogue that no keeper vouches for, whatever the machine does, until it is believed again', async () => {
    for (const state of [ProtectionState.PROTECTED, ProtectionState.FAILED_OVER]) {
      const { server, look, events, engine } = await openWorld(state);
      const report = (notVouched: string): void =>
        server.reported(
          create(ServerReportSchema, { machines: [{ machineId: idBytes(MACHINE), notVouched, newestPointUnixMillis: BigInt(START) }] }),
        );
      const before = await look();
      report('version 7: it needs nothing');
      expect(await look()).toEqual([...before, 'critical vault-not-vouched'].toSorted());
      const raised = engine.current().find(({ value }) => value.code === 'vault-not-vouched')!;
      expect(raised.value).toMatchObject({ subject: MACHINE, text: expect.stringContaining('db1') });
      expect(raised.value.text).toContain('version 7: it needs nothing');
      report('');
      expect(await look()).toEqual(before);
      expect((await events()).filter((event) => event.includes('vault-not-vouched'))).toHaveLength(2);
    }
  });

  it('tell what a machine that falls behind is up against', async () => {
    const { at, agent, look, engine } = await openWorld();
    const newestPointUnixMillis = BigInt(START);
    at(2 * MINUTE);
    agent.reported(
      create(AgentReportSchema, {
        newestPointUnixMillis,
        rpoSeconds: 120,
        changedBytesPerSecond: 60_000_000n,
        sentBytesPerSecond: 5_000_000n,
        peakChurnBytesPerSecond: 90_000_000n,
        sourceBytes: 7_000_000n,
      }),
    );
    expect(await look()).toEqual(['warning rpo-exceeded']);
    expect(engine.current()[0]!.value.text).toContain('60.0 MB/s change (at most 90.0), 5.0 MB/s are sent; 7.0 MB wait at the machine');
  });

  it('that are silenced count for nobody, and are not told until they are over the silence', async () => {
    const { store, at, point, look, events, engine } = await openWorld();
    point(0);
    at(2 * MINUTE);
    await look();
    const [alert] = engine.current();
    await transact(store, async (transaction) =>
      transaction.put(alerts, alert!.id, { ...alert!.value, silencedUntil: START + 5 * MINUTE }),
    );
    await look();
    expect(engine.healthOf(MACHINE)).toBe(Health.HEALTHY);
    at(4.5 * MINUTE);
    expect(await look()).toEqual(['critical rpo-exceeded']);
    expect(await events()).toEqual(['warning rpo-exceeded']);
    at(5 * MINUTE);
    await look();
    expect(engine.healthOf(MACHINE)).toBe(Health.CRITICAL);
  });

  it('that come and go are silenced until the time that was said', async () => {
    const { store, at, point, look, events, engine } = await openWorld();
    point(0);
    at(2 * MINUTE);
    await look();
    const [alert] = engine.current();
    await transact(store, async (transaction) =>
      transaction.put(alerts, alert!.id, { ...alert!.value, silencedBy: 'me', silencedUntil: START + 10 * MINUTE }),
    );
    point(2 * MINUTE);
    expect(await look()).toEqual([]);
    at(4 * MINUTE);
    expect(await look()).toEqual(['warning rpo-exceeded']);
    expect(engine.current()[0]!.value).toMatchObject({ silencedBy: 'me', silencedUntil: START + 10 * MINUTE });
    expect(await events()).toEqual(['warning rpo-exceeded']);
    point(4 * MINUTE);
    await look();
    at(11 * MINUTE);
    await look();
    expect(await events()).toEqual(['warning rpo-exceeded', 'critical rpo-exceeded']);
  });

  it('that grow have to be looked at anew by whoever acknowledged them', async () => {
    const { store, at, point, look, engine } = await openWorld();
    point(0);
    at(2 * MINUTE);
    await look();
    const [alert] = engine.current();
    await transact(store, async (transaction) => transaction.put(alerts, alert!.id, { ...alert!.value, acknowledgedBy: 'anna' }));
    await look();
    expect(engine.current()[0]!.value.acknowledgedBy).toBe('anna');
    at(10 * MINUTE);
    await look();
    expect(engine.current()[0]!.value).toMatchObject({ severity: 'critical', acknowledgedBy: '' });
  });

  it('are there for this server itself, and go with a machine that is not protected any more', async () => {
    const { store, at, ownProblem, look, engine } = await openWorld();
    ownProblem('the disk is full');
    expect(await look()).toEqual(['critical configuration-server']);
    expect(engine.healthOf('')).toBe(Health.CRITICAL);
    ownProblem(undefined);
    at(3 * MINUTE);
    expect(await look()).toEqual(['warning rpo-exceeded']);
    await transact(store, async (transaction) =>
      transaction.put(machines, MACHINE, { name: 'db1', agentVersion: '1', lastSeen: 0, protectionId: '' }),
    );
    expect(await look()).toEqual([]);
  });
});

describe('alerts over the API', () => {
  it('are listed, acknowledged and silenced', async () => {
    const server = await startTestServer({ 'alerts.calm': '0s', 'alerts.interval': '100ms' });
    const member = await enrolMember(server, 'process-server', 'ps', { endpoints: ['127.0.0.1:9443'] });
    const stream = connectServer(server, member);
    await stream.until(() => true);
    stream.report({ journalUsedBytes: 90n, journalQuotaBytes: 100n });
    const api = server.api(AlertService);
    const only = async () => {
      for (;;) {
        const { alerts: found } = await api.listAlerts({});
        if (found.length > 0) return found[0]!;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const raised = await only();
    expect(raised).toMatchObject({ severity: Severity.CRITICAL, code: 'journal-filling', subject: member.id, acknowledgedBy: '' });
    const { servers } = await server.api(ServerService).listServers({});
    expect(servers[0]!.health).toBe(Health.CRITICAL);
    expect((await api.acknowledgeAlert({ id: raised.id })).alert).toMatchObject({ acknowledgedBy: 'administrator' });
    const { alert } = await api.silenceAlert({ id: raised.id, seconds: 3600 });
    expect(Number(alert!.silencedUntilUnixMillis) - Date.now()).toBeGreaterThan(3_590_000);
    expect((await server.api(ServerService).listServers({})).servers[0]!.health).toBe(Health.HEALTHY);
    expect((await api.silenceAlert({ id: raised.id, seconds: 0 })).alert).toMatchObject({ silencedBy: '', silencedUntilUnixMillis: 0n });
    expect((await api.listAlerts({ subject: 'e'.repeat(32) })).alerts).toEqual([]);
    const { records } = await server.api(AuditService).listAudit({ subject: member.id });
    expect(records.map(({ action }) => action)).toEqual(expect.arrayContaining(['AcknowledgeAlert', 'SilenceAlert']));
    stream.report({ journalUsedBytes: 9n, journalQuotaBytes: 100n });
    while ((await api.listAlerts({})).alerts.length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const { events } = await server.api(EventService).listEvents({ subject: member.id });
    expect(events.map(({ code }) => code)).toEqual(expect.arrayContaining(['journal-filling', 'journal-filling-over']));
    expect(await codeOf(api.acknowledgeAlert({ id: raised.id }))).toBe('RESOURCE_NOT_FOUND');
    const { secret } = await server.api(AccessTokenService).createAccessToken({ name: 'reader', role: PersonRole.READER });
    expect(await codeOf(server.client(AlertService, { token: secret }).acknowledgeAlert({ id: raised.id }))).toBe('NO_PERMISSION');
    await stream.close();
  });
});
