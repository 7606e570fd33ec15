import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type Event,
  EventService,
  JobService,
  MachineService,
  PolicyService,
  ProtectionService,
  Role,
  ServerService,
  Severity,
  TokenService,
} from '@holdfast/protocol';
import { connectAgent } from '../conformance/test-member.ts';
import { codeOf, endTestServers, enrolMember, startTestServer, type TestServer } from '../conformance/test-server.ts';
import { openLevelStore } from '../state/level-store.ts';

afterAll(endTestServers);

describe('the API', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });

  it('pages through everything once, and refuses pages that cannot be', async () => {
    const policies = server.api(PolicyService);
    for (let index = 0; index < 25; index += 1) await policies.createPolicy({ policy: { name: `page-${index}` } });
    const seen: string[] = [];
    let pages = 0;
    for (let pageToken = ''; pages === 0 || pageToken !== ''; pages += 1) {
      const page = await policies.listPolicies({ pageSize: 4, pageToken });
      seen.push(...page.policies.map(({ name }) => name).filter((name) => name.startsWith('page-')));
      pageToken = page.nextPageToken;
    }
    expect(seen.toSorted()).toEqual(Array.from({ length: 25 }, (_, index) => `page-${index}`).toSorted());
    expect(pages).toBeGreaterThanOrEqual(7);
    for (const pageToken of ['x', 'ZZZZ', Buffer.from('../../etc').toString('base64url'), 'y'.repeat(5000)])
      for (const list of [
        policies.listPolicies({ pageToken }),
        server.api(MachineService).listMachines({ pageToken }),
        server.api(EventService).listEvents({ pageToken }),
        server.api(JobService).listJobs({ pageToken }),
      ])
        expect(await codeOf(list)).toBe('REQUEST_INVALID');
    expect(await codeOf(policies.listPolicies({ pageSize: 501 }))).toBe('REQUEST_INVALID');
  });

  it('refuses edits of an old version, and deletes nothing by an old one', async () => {
    const policies = server.api(PolicyService);
    const { policy } = await policies.createPolicy({ policy: { name: 'edited' } });
    const { policy: newer } = await policies.updatePolicy({ policy: { ...policy!, retention: '72h' } });
    expect(newer!.version).toBeGreaterThan(policy!.version);
    expect(await codeOf(policies.updatePolicy({ policy: { ...policy!, retention: '15d' } }))).toBe('VERSION_CONFLICT');
    expect(await codeOf(policies.deletePolicy({ policy: 'edited', version: policy!.version }))).toBe('VERSION_CONFLICT');
    expect(await codeOf(policies.deletePolicy({ policy: 'edited' }))).toBe('REQUEST_INVALID');
    const races = await Promise.all(
      Array.from({ length: 5 }, () => codeOf(policies.updatePolicy({ policy: { ...newer!, compression: 'zstd' } }))),
    );
    expect(races.toSorted()).toEqual(['VERSION_CONFLICT', 'VERSION_CONFLICT', 'VERSION_CONFLICT', 'VERSION_CONFLICT', 'no error']);
    const { policies: all } = await policies.listPolicies({ pageSize: 500 });
    const last = all.find(({ name }) => name === 'edited')!;
    expect(last).toMatchObject({ retention: '72h', compression: 'zstd' });
    await policies.updatePolicy({ policy: { ...last, name: 'Edited' } });
    expect(await codeOf(policies.createPolicy({ policy: { name: 'edited' } }))).toBe('NAME_TAKEN');
  });

  it.each([
    [{ name: '' }, 'policy'],
    [{ name: 'a b' }, 'policy'],
    [{ name: 'f'.repeat(32) }, 'policy'],
    [{ name: 'x', pointIntervalSeconds: 3601 }, 'point_interval_seconds'],
    [{ name: 'x', pointIntervalSeconds: 10, rpoThresholdSeconds: 5 }, 'rpo_threshold_seconds'],
    [{ name: 'x', retention: '1y' }, 'retention'],
    [{ name: 'x', retention: '1d 3d, 1h 9d' }, 'retention'],
    [{ name: 'x', compression: 'rar' }, 'compression'],
    [{ name: 'x', applicationIntervalSeconds: 299 }, 'application_interval_seconds'],
    [{ name: 'x', applicationIntervalSeconds: 12 * 3600 + 1 }, 'application_interval_seconds'],
    [{ name: 'x', hold: 'suspend' }, 'hold'],
    [{ name: 'x', holdLimitMilliseconds: 60_001 }, 'hold_limit_milliseconds'],
  ])('names the field of a policy that cannot be: %j', async (policy, field) => {
    const refusal = await server
      .api(PolicyService)
      .createPolicy({ policy })
      .catch((reason: Error) => reason.message);
    expect(refusal).toContain(`[REQUEST_INVALID] ${field}`);
  });

  it('lists events by subject and severity, and watches from a revision on', async () => {
    const { id } = await enrolMember(server, 'agent', 'told');
    const events = server.api(EventService);
    const own = (await events.listEvents({ subject: 'told' })).events;
    expect(own.map(({ code }) => code)).toEqual(['agent-enrolled']);
    expect((await events.listEvents({ subject: id })).events).toEqual(own);
    expect((await events.listEvents({ subject: id, minimumSeverity: Severity.WARNING })).events).toEqual([]);
    expect(await codeOf(events.listEvents({ subject: 'nobody-knows' }))).toBe('REQUEST_INVALID');
    const seen: Event[] = [];
    const watching = (async () => {
      for await (const { event } of events.watchEvents({ afterRevision: own[0]!.revision - 1n })) {
        seen.push(event!);
        if (event!.code === 'certificate-revoked') return;
      }
    })();
    await server.api(ServerService).revokeServer({ subject: 'told' });
    await watching;
    expect(seen.map(({ code }) => code)).toEqual(['agent-enrolled', 'certificate-revoked']);
    expect(seen[1]).toMatchObject({ severity: Severity.WARNING, actor: 'administrator', subject: id });
  });

  it('removes a machine with all that is its own, and frees its name', async () => {
    const member = await enrolMember(server, 'agent', 'leaving');
    const machines = server.api(MachineService);
    const agent = connectAgent(server, member, 'leaving');
    await agent.until(() => true);
    const { machine } = await machines.getMachine({ machine: 'leaving' });
    expect(await codeOf(machines.removeMachine({ machine: 'leaving', version: machine!.version - 1n }))).not.toBe('no error');
    await machines.removeMachine({ machine: 'leaving', version: machine!.version });
    expect(await agent.ended).toMatchObject({ code: 'CERTIFICATE_REVOKED' });
    expect(await codeOf(machines.getMachine({ machine: 'leaving' }))).toBe('MACHINE_NOT_FOUND');
    const again = await enrolMember(server, 'agent', 'leaving');
    expect(again.id).not.toBe(member.id);
    expect((await machines.getMachine({ machine: 'leaving' })).machine!.id).toBe(again.id);
  });

  it('refuses to watch, get or cancel what is not there', async () => {
    const jobs = server.api(JobService);
    const watch = async (): Promise<void> => {
      for await (const _ of jobs.watchJob({ id: 'x' }));
    };
    expect(await codeOf(watch())).toBe('RESOURCE_NOT_FOUND');
    expect(await codeOf(jobs.getJob({ id: '../x' }))).toBe('RESOURCE_NOT_FOUND');
    expect(await codeOf(server.api(TokenService).revokeToken({ id: 'x' }))).toBe('RESOURCE_NOT_FOUND');
    expect(await codeOf(server.api(ServerService).revokeServer({ subject: 'x' }))).toBe('RESOURCE_NOT_FOUND');
    expect(await codeOf(server.api(ProtectionService).operate({ machine: 'x', operation: 'failover' }))).toBe('MACHINE_NOT_FOUND');
  });

  it('refuses tokens for roles and times that cannot be', async () => {
    const tokens = server.api(TokenService);
    expect(await codeOf(tokens.createToken({}))).toBe('PROTOCOL_VIOLATION');
    expect(await codeOf(tokens.createToken({ role: Role.AGENT, lifetimeSeconds: 31 * 24 * 3600 }))).toBe('REQUEST_INVALID');
    expect(await codeOf(tokens.createToken({ role: Role.AGENT, note: 'a\nb' }))).toBe('REQUEST_INVALID');
  });
});

describe('audit', () => {
  it('stands in the same commit as what was done, with who did it', async () => {
    const server = await startTestServer();
    const { token } = await server.api(TokenService).createToken({ role: Role.AGENT, note: 'n' });
    const { policy } = await server.api(PolicyService).createPolicy({ policy: { name: 'audited' } });
    expect(await codeOf(server.api(PolicyService).createPolicy({ policy: { name: 'audited' } }))).toBe('NAME_TAKEN');
    const { events } = await server.api(EventService).listEvents({});
    expect(events).toContainEqual(
      expect.objectContaining({ code: 'policy-created', subject: policy!.id, actor: 'administrator', text: 'Policy audited was created' }),
    );
    await server.stop();
    const store = await openLevelStore(path.join(server.directory, 'state'), { events: 1000, audit: 1000, changes: 1000 });
    expect(await store.audit({ limit: 10 })).toMatchObject([
      { action: 'CreatePolicy', actor: 'administrator', subject: policy!.id, detail: 'audited', revision: Number(policy!.version) },
      { action: 'CreateToken', actor: 'administrator', subject: token!.id, detail: 'agent n' },
    ]);
    await store.close();
  });
});

describe('join commands', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-install-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const joinCommand = async (server: TestServer): Promise<string> =>
    (await server.api(TokenService).createToken({ role: Role.AGENT })).joinCommand;

  it('hold token and fingerprint, the token by standard input', async () => {
    const server = await startTestServer({ 'listen.announced': 'cs.example.com:443' });
    const {
      joinCommand: command,
      secret,
      authorityFingerprint,
    } = await server.api(TokenService).createToken({ role: Role.PROCESS_SERVER });
    expect(authorityFingerprint).toBe(server.fingerprint);
    expect(command).toBe(
      `echo '${secret}' | sudo holdfast-process-server join --server cs.example.com:443 --fingerprint ${server.fingerprint}`,
    );
  });

  it('install first where there is a bundle, the newest one, checked by its digest', async () => {
    const digest = 'ab'.repeat(32);
    const files = [
      'holdfast-agent-0.9.0-linux-x64.tar.gz',
      'holdfast-agent-0.10.0-linux-x64.tar.gz',
      'holdfast-cli-0.11.0-linux-x64.tar.gz',
    ];
    for (const file of files) await writeFile(path.join(directory, file), file);
    await writeFile(path.join(directory, 'SHA256SUMS'), files.map((file) => `${digest}  ${file}\n`).join(''));
    const server = await startTestServer({ 'install.directory': directory });
    const command = await joinCommand(server);
    expect(command).toContain(`curl -fsSkO https://127.0.0.1:${server.port}/install/holdfast-agent-0.10.0-linux-x64.tar.gz`);
    expect(command).toContain(`echo '${digest}  holdfast-agent-0.10.0-linux-x64.tar.gz' | sha256sum -c`);
    expect(command).toMatch(/join --server 127\.0\.0\.1:\d+ --fingerprint [0-9a-f]{64}$/);
  });

  it('do without a bundle whose digest is not known', async () => {
    await writeFile(path.join(directory, 'holdfast-agent-0.9.0-linux-x64.tar.gz'), 'x');
    await writeFile(path.join(directory, 'SHA256SUMS'), `${'ab'.repeat(32)}  other.tar.gz\n`);
    expect(await joinCommand(await startTestServer({ 'install.directory': directory }))).not.toContain('curl');
  });

  it('name files that are served, and nothing beside them', async () => {
    await writeFile(path.join(directory, 'a.tar.gz'), 'bundle');
    await writeFile(path.join(directory, '.hidden'), 'secret');
    await writeFile(path.join(directory, 'empty'), '');
    await symlink('/dev/zero', path.join(directory, 'zero'));
    const server = await startTestServer({ 'install.directory': directory });
    const get = async (target: string, method = 'GET'): Promise<string> => {
      const { connect } = await import('node:http2');
      const session = connect(`https://127.0.0.1:${server.port}`, { rejectUnauthorized: false });
      const stream = session.request({ ':path': target, ':method': method });
      let status = 0;
      stream.on('response', (headers) => {
        status = headers[':status']!;
      });
      const body = Buffer.concat(await stream.toArray()).toString();
      session.close();
      return status === 200 ? body : String(status);
    };
    expect(await get('/install/a.tar.gz')).toBe('bundle');
    expect(await get('/install/a.tar.gz?x=1')).toBe('bundle');
    expect(await get('/install/a.tar.gz', 'HEAD')).toBe('');
    expect(await get('/install/empty')).toBe('');
    expect(await get('/install/a.tar.gz', 'DELETE')).toBe('405');
    for (const target of ['', '.hidden', '..', '../state/x', '%2e%2e/x', '/etc/passwd', 'zero', 'nothing', 'a.tar.gz/', 'a%00'])
      expect([target, await get(`/install/${target}`)]).toEqual([target, '404']);
  });
});
