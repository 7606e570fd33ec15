import { X509Certificate } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { EnrolmentService, type EnrolResponse, EventService, MachineService, Role, ServerService, TokenService } from '@holdfast/protocol';
import { connectAgent } from '../conformance/test-member.ts';
import {
  codeOf,
  endTestServers,
  enrolMember,
  hardwareOf,
  newRequest,
  pem,
  startTestServer,
  type TestMember,
  type TestServer,
} from '../conformance/test-server.ts';

afterAll(endTestServers);

describe('enrolment', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ 'tokens.wrong-attempts': '1000' });
  });

  const token = async (role: Role = Role.AGENT, lifetimeSeconds = 0): Promise<string> =>
    (await server.api(TokenService).createToken({ role, lifetimeSeconds })).secret;

  const enrol = async (secret: string, name: string, more: object = {}): Promise<EnrolResponse> =>
    server.client(EnrolmentService).enrol({
      token: secret,
      role: Role.AGENT,
      certificateRequest: (await newRequest('CN=administrator,OU=configuration-server')).der,
      hardware: hardwareOf(name),
      hostname: name,
      version: '0.1.0',
      ...more,
    });

  it('gives a certificate for the key of the request, and for nothing else it wishes', async () => {
    const answer = await enrol(await token(), 'web1.example.com');
    const [leaf] = answer.certificateChain.map((der) => new X509Certificate(der));
    const [authority] = answer.trustedAuthorities.map((der) => new X509Certificate(der));
    expect(answer.id).toMatch(/^[0-9a-f]{32}$/);
    expect(answer.incarnation).toBe(1n);
    expect(leaf!.subject).toBe(`CN=${answer.id}\nOU=agent`);
    expect(leaf!.subjectAltName).toBe(`URI:holdfast:agent/${answer.id}`);
    expect(leaf!.ca).toBe(false);
    expect(leaf!.verify(authority!.publicKey)).toBe(true);
    expect(leaf!.validToDate.getTime() - Date.now()).toBeLessThanOrEqual(24 * 3_600_000);
    expect(leaf!.validToDate.getTime() - Date.now()).toBeGreaterThan(23 * 3_600_000);
    const { machine } = await server.api(MachineService).getMachine({ machine: 'web1' });
    expect(machine).toMatchObject({ id: answer.id, name: 'web1', connected: false, agentVersion: '0.1.0' });
  });

  it('takes a token once', async () => {
    const secret = await token();
    const { id } = await enrol(secret, 'once');
    expect(await codeOf(enrol(secret, 'twice'))).toBe('TOKEN_USED');
    expect(await codeOf(enrol(secret, 'thrice'))).toBe('TOKEN_USED');
    const { events } = await server.api(EventService).listEvents({ subject: id });
    expect(events.map(({ code }) => code)).toEqual(['TOKEN_USED', 'agent-enrolled']);
    expect(await codeOf(server.api(MachineService).getMachine({ machine: 'twice' }))).toBe('MACHINE_NOT_FOUND');
  });

  it('lets one of many win who race with one token', async () => {
    const secret = await token();
    const outcomes = await Promise.all(Array.from({ length: 10 }, (_, index) => codeOf(enrol(secret, `racer-${index}`))));
    expect(outcomes.filter((code) => code === 'no error')).toHaveLength(1);
    expect(outcomes.filter((code) => code === 'TOKEN_USED')).toHaveLength(9);
  });

  it('refuses tokens that are unknown, revoked, late or for another role', async () => {
    expect(await codeOf(enrol('x', 'no'))).toBe('TOKEN_UNKNOWN');
    expect(await codeOf(enrol(Buffer.alloc(32, 1).toString('base64url'), 'no'))).toBe('TOKEN_UNKNOWN');
    expect(await codeOf(enrol(await token(Role.PROCESS_SERVER), 'no'))).toBe('TOKEN_UNKNOWN');
    const revoked = await server.api(TokenService).createToken({ role: Role.AGENT });
    await server.api(TokenService).revokeToken({ id: revoked.token!.id });
    expect(await codeOf(enrol(revoked.secret, 'no'))).toBe('TOKEN_UNKNOWN');
    const short = await server.api(TokenService).createToken({ role: Role.AGENT, lifetimeSeconds: 1 });
    await new Promise((resolve) => setTimeout(resolve, Number(short.token!.expiresUnixMillis) - Date.now() + 1));
    expect(await codeOf(enrol(short.secret, 'no'))).toBe('TOKEN_EXPIRED');
    expect(await codeOf(server.api(MachineService).getMachine({ machine: 'no' }))).toBe('MACHINE_NOT_FOUND');
  });

  it('does not use up a token for a request that cannot be granted', async () => {
    const secret = await token();
    const { der } = await newRequest();
    const forged = Uint8Array.from(der);
    forged[forged.length - 1]! ^= 1;
    for (const certificateRequest of [new Uint8Array(), new Uint8Array(100), forged, new Uint8Array(10_000)])
      expect(await codeOf(enrol(secret, 'bad', { certificateRequest }))).toBe('REQUEST_INVALID');
    const empty = { productUuid: '', productSerial: '', macAddresses: [], machineId: '' };
    for (const hardware of [undefined, empty, { ...empty, machineId: 'x\n' }, { ...empty, machineId: 'x'.repeat(1000) }])
      expect(await codeOf(enrol(secret, 'bad', { hardware }))).toBe('REQUEST_INVALID');
    expect(await codeOf(enrol(secret, 'bad', { role: Role.UNSPECIFIED }))).toBe('PROTOCOL_VIOLATION');
    expect(await codeOf(enrol(secret, 'good'))).toBe('no error');
  });

  it('gives the same hardware the same id and the next incarnation, and ends what it had', async () => {
    const first = await enrolMember(server, 'agent', 'same');
    const second = await enrolMember(server, 'agent', 'same');
    expect(second.id).toBe(first.id);
    expect(second.incarnation).toBe(2n);
    const renew = async ({ credentials, incarnation }: typeof first, counted = incarnation): Promise<string> =>
      codeOf(
        server
          .client(EnrolmentService, { credentials })
          .renew({ certificateRequest: (await newRequest()).der, hardware: hardwareOf('same'), incarnation: counted }),
      );
    expect(await renew(first)).toBe('CERTIFICATE_REVOKED');
    // Not even when it says what the newer one would.
    expect(await renew(first, 2n)).toBe('CERTIFICATE_REVOKED');
    expect(await renew(second, 1n)).toBe('CERTIFICATE_REVOKED');
    expect(await renew(second)).toBe('no error');
    const other = await enrolMember(server, 'agent', 'other');
    expect(other.id).not.toBe(first.id);
  });

  it('gives names that differ to machines of one name', async () => {
    const hosts = await Promise.all([1, 2, 3].map(async (index) => enrol(await token(), `hw-${index}`, { hostname: 'Db.example.com' })));
    const machines = await Promise.all(hosts.map(async ({ id }) => server.api(MachineService).getMachine({ machine: id })));
    expect(machines.map(({ machine }) => machine!.name).toSorted()).toEqual(['db', 'db-2', 'db-3']);
    const odd = await enrol(await token(), 'odd', { hostname: '--- ☃' });
    expect((await server.api(MachineService).getMachine({ machine: odd.id })).machine!.name).toBe('machine');
  });

  it('knows several process servers on one machine by their addresses', async () => {
    const hardware = hardwareOf('rack');
    const one = await enrolMember(server, 'process-server', 'ps', { hardware, endpoints: ['a:1'] });
    const two = await enrolMember(server, 'process-server', 'ps', { hardware, endpoints: ['a:2'] });
    const again = await enrolMember(server, 'process-server', 'ps', { hardware, endpoints: ['a:1', 'b:1'] });
    expect(two.id).not.toBe(one.id);
    expect(again).toMatchObject({ id: one.id, incarnation: 2n });
    expect((await server.api(ServerService).listServers({})).servers.map(({ name }) => name).toSorted()).toEqual(['ps', 'ps-2']);
  });

  it('turns away a copy on another machine, and says so as an event', async () => {
    const original = await enrolMember(server, 'agent', 'original');
    const renewal = server.client(EnrolmentService, { credentials: original.credentials });
    const copied = { certificateRequest: (await newRequest()).der, hardware: hardwareOf('copy'), incarnation: 1n };
    expect(await codeOf(renewal.renew(copied))).toBe('AGENT_CLONED');
    expect(await connectAgent(server, original, 'copy').ended).toMatchObject({ code: 'AGENT_CLONED' });
    const { events } = await server.api(EventService).listEvents({ subject: original.id });
    expect(events.filter(({ code }) => code === 'AGENT_CLONED')).toHaveLength(2);
    expect(await codeOf(renewal.renew({ ...copied, hardware: hardwareOf('original') }))).toBe('no error');
  });

  it('lets a machine with a new network card go on', async () => {
    const hardware = { ...hardwareOf('card'), macAddresses: ['02:00:00:00:00:01'] };
    const { credentials } = await enrolMember(server, 'agent', 'card', { hardware: hardware as never });
    const renewal = server.client(EnrolmentService, { credentials });
    const swapped = { ...hardware, macAddresses: ['02:00:00:00:00:99'] };
    expect(await codeOf(renewal.renew({ certificateRequest: (await newRequest()).der, hardware: swapped, incarnation: 1n }))).toBe(
      'no error',
    );
  });

  it('keeps no more certificates of a member alive than it needs', async () => {
    const { credentials } = await enrolMember(server, 'agent', 'eager');
    const answers: TestMember['credentials'][] = [];
    for (let index = 0; index < 10; index += 1) {
      const { key, der } = await newRequest();
      const renewal = server.client(EnrolmentService, { credentials });
      const answer = await renewal.renew({ certificateRequest: der, hardware: hardwareOf('eager'), incarnation: 1n });
      answers.push({ key, certificateChain: pem('CERTIFICATE', answer.certificateChain[0]!) });
    }
    // Answers that were lost count no more, the oldest first; the certificate it asks with, and the newest answer, do.
    const asking = (shown: TestMember['credentials']): Promise<string> =>
      codeOf(
        newRequest().then(({ der }) =>
          server
            .client(EnrolmentService, { credentials: shown })
            .renew({ certificateRequest: der, hardware: hardwareOf('eager'), incarnation: 1n }),
        ),
      );
    expect(await asking(answers[0]!)).toBe('CERTIFICATE_REVOKED');
    expect(await asking(answers[9]!)).toBe('no error');
    expect(await asking(credentials)).toBe('no error');
  });

  it('never shows a token or its hash in lists, events or the log', async () => {
    const secret = await token();
    await enrol(secret, 'quiet');
    const seen = JSON.stringify(
      [
        server.lines,
        (await server.api(TokenService).listTokens({ pageSize: 500 })).tokens,
        (await server.api(EventService).listEvents({ pageSize: 500 })).events,
      ],
      (_, value) => (typeof value === 'bigint' ? String(value) : value),
    );
    expect(seen).toContain('quiet');
    expect(seen).not.toContain(secret);
    expect(seen).not.toContain(server.administrator);
  });
});

describe('wrong tokens', () => {
  it('are told to stop after too many, while right ones are taken', async () => {
    const server = await startTestServer({ 'tokens.wrong-attempts': '3' });
    const client = server.client(EnrolmentService);
    const attempt = async (): Promise<string> =>
      codeOf(client.enrol({ token: 'x', role: Role.AGENT, certificateRequest: new Uint8Array(), hardware: hardwareOf('x') }));
    expect([await attempt(), await attempt(), await attempt(), await attempt()]).toEqual([
      'TOKEN_UNKNOWN',
      'TOKEN_UNKNOWN',
      'TOKEN_UNKNOWN',
      'TOO_MANY_ATTEMPTS',
    ]);
    expect(await enrolMember(server, 'agent', 'right')).toMatchObject({ incarnation: 1n });
  });
});

describe('certificates that ended while the server was away', () => {
  const ended = ({ certificateChain }: TestMember['credentials']): Promise<unknown> =>
    sleep(new X509Certificate(certificateChain).validToDate.getTime() - Date.now() + 1);

  const renewalOf = (server: TestServer, name: string) => async (credentials: TestMember['credentials']) => {
    const { key, der } = await newRequest();
    const answer = await server
      .client(EnrolmentService, { credentials })
      .renew({ certificateRequest: der, hardware: hardwareOf(name), incarnation: 1n });
    return { key, certificateChain: pem('CERTIFICATE', answer.certificateChain[0]!) };
  };

  it('are renewed, and good for nothing else', async () => {
    const before = await startTestServer({ 'certificates.lifetime': '1s' });
    const late = await enrolMember(before, 'agent', 'late');
    await before.stop();
    await ended(late.credentials);
    const server = await startTestServer({}, before.directory);
    const renew = renewalOf(server, 'late');
    expect(await connectAgent(server, late, 'late').ended).toMatchObject({ code: 'CERTIFICATE_EXPIRED' });
    await renew(late.credentials);
    // The answer may have been lost.
    const fresh = await renew(late.credentials);
    const stream = connectAgent(server, { ...late, credentials: fresh }, 'late');
    expect(await stream.until(() => true)).toBeDefined();
    await stream.close();
    expect(await codeOf(renew(fresh))).toBe('no error');
    expect(await codeOf(renew(late.credentials))).toBe('CERTIFICATE_EXPIRED');
  });

  it('are renewed although a newer one lives whose answer never came', async () => {
    const before = await startTestServer({ 'certificates.lifetime': '2s' });
    const lost = await enrolMember(before, 'agent', 'lost');
    await before.stop();
    // The answer to a renewal in time is lost, and then the server is away until the certificate that its member has is over.
    const server = await startTestServer({}, before.directory);
    const unseen = await renewalOf(server, 'lost')(lost.credentials);
    await ended(lost.credentials);
    const late = await renewalOf(server, 'lost')(lost.credentials);
    // Once the member showed it, an old copy is good for nothing.
    const stream = connectAgent(server, { ...lost, credentials: late }, 'lost');
    await stream.until(() => true);
    await stream.close();
    expect(await codeOf(renewalOf(server, 'lost')(lost.credentials))).toBe('CERTIFICATE_EXPIRED');
    expect(unseen.certificateChain).not.toBe(late.certificateChain);
  });

  it('are refused once their member was enrolled anew or removed, and when there is no grace', async () => {
    const server = await startTestServer({ 'certificates.lifetime': '1s' });
    const [again, gone] = await Promise.all(['again', 'gone'].map((name) => enrolMember(server, 'agent', name)));
    await ended(gone!.credentials);
    await enrolMember(server, 'agent', 'again');
    expect(await codeOf(renewalOf(server, 'again')(again!.credentials))).toBe('CERTIFICATE_REVOKED');
    await server.api(ServerService).revokeServer({ subject: gone!.id });
    expect(await codeOf(renewalOf(server, 'gone')(gone!.credentials))).toBe('CERTIFICATE_REVOKED');
    const strict = await startTestServer({ 'certificates.lifetime': '1s', 'certificates.grace': '0s' });
    const late = await enrolMember(strict, 'agent', 'late');
    await ended(late.credentials);
    expect(await codeOf(renewalOf(strict, 'late')(late.credentials))).toBe('CERTIFICATE_EXPIRED');
  });
});
