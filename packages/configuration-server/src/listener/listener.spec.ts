import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import path from 'node:path';
import { connect as connectTls } from 'node:tls';
import {
  EnrolmentService,
  EventService,
  newId,
  PolicyService,
  publicKeyFingerprint,
  Role,
  ServerService,
  TokenService,
} from '@holdfast/protocol';
import { createTestAuthority } from '@holdfast/protocol/conformance';
import type { Approach } from '../conformance/test-client.ts';
import {
  codeOf,
  endTestServers,
  enrolMember,
  errorOf,
  hardwareOf,
  newRequest,
  startTestServer,
  type TestServer,
} from '../conformance/test-server.ts';
import { hashOf, newSecret, secretId } from '../enrolment/tokens.ts';
import type { PersonRole } from '../records/kinds.ts';
import { accesses } from '../records/kinds.ts';
import { openLevelStore } from '../state/level-store.ts';

afterAll(endTestServers);

/** A request as a browser makes it, over HTTP/1.1 and without a certificate. */
const get = (server: TestServer, target: string, options: object = {}): Promise<{ status: number; body: string; type: string }> =>
  new Promise((resolve, reject) => {
    const request = httpsRequest(
      { host: '127.0.0.1', port: server.port, path: target, rejectUnauthorized: false, ...options },
      async (answer) => {
        const body = (await answer.toArray()).map(String).join('');
        resolve({ status: answer.statusCode!, body, type: String(answer.headers['content-type']) });
      },
    );
    request.once('error', reject);
    request.end();
  });

describe('the one listener', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });

  const approaches: readonly Approach[] = [
    { http: '1.1', protocol: 'connect' },
    { http: '1.1', protocol: 'json' },
    { http: '2', protocol: 'connect' },
    { http: '2', protocol: 'json' },
    { http: '2', protocol: 'grpc' },
  ];

  it.each(approaches)('serves people with a token and no certificate: %j', async (approach) => {
    const client = server.client(PolicyService, { ...approach, token: server.administrator });
    expect((await client.listPolicies({})).policies.map(({ name }) => name)).toEqual(['default']);
  });

  it.each(approaches)('refuses people without a token, and with a wrong one, by name: %j', async (approach) => {
    expect(await codeOf(server.client(PolicyService, approach).listPolicies({}))).toBe('SIGN_IN_NEEDED');
    for (const token of ['x', newSecret(), `${server.administrator}x`])
      expect(await codeOf(server.client(PolicyService, { ...approach, token }).listPolicies({}))).toMatch(
        /SIGN_IN_NEEDED|TOO_MANY_ATTEMPTS/,
      );
  });

  it.each(approaches)('streams to people: %j', async (approach) => {
    const events = server.client(EventService, { ...approach, token: server.administrator });
    for await (const { event } of events.watchEvents({})) {
      expect(event!.code).toBe('installation-created');
      break;
    }
  });

  it('shows its authority in the chain, and speaks TLS 1.3 only', async () => {
    const socket = connectTls({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    await once(socket, 'secureConnect');
    expect(socket.getProtocol()).toBe('TLSv1.3');
    const { issuerCertificate, subject, subjectaltname } = socket.getPeerCertificate(true);
    expect(publicKeyFingerprint(issuerCertificate.raw)).toBe(server.fingerprint);
    expect(subject.OU).toBe('configuration-server');
    expect(subjectaltname).toContain('IP Address:127.0.0.1');
    socket.destroy();
    const old = connectTls({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false, maxVersion: 'TLSv1.2' });
    const [error] = (await once(old, 'error')) as [Error];
    expect(error.message).toMatch(/protocol version/i);
  });

  it('answers browsers: health, install files, and nothing else', async () => {
    expect(await get(server, '/healthz')).toEqual({ status: 200, body: '{"ready":true}\n', type: 'application/json' });
    expect(await get(server, '/')).toMatchObject({ status: 404, body: expect.stringContaining('Holdfast') });
    expect((await get(server, '/install/x.tar.gz')).status).toBe(404);
    expect((await get(server, '/metrics')).status).toBe(404);
  });

  describe('machines', () => {
    const renew = async (credentials: Approach['credentials'], name: string, protocol: 'grpc' | 'connect' = 'grpc'): Promise<string> => {
      const client = server.client(EnrolmentService, { protocol, ...(credentials === undefined ? {} : { credentials }) });
      return codeOf(client.renew({ certificateRequest: (await newRequest()).der, hardware: hardwareOf(name), incarnation: 1n }));
    };

    it('come in by their certificate, while people work on beside them', async () => {
      const { credentials } = await enrolMember(server, 'agent', 'beside');
      const calls = await Promise.all(
        Array.from({ length: 4 }, (_, index) => [
          renew(credentials, 'beside', index % 2 === 0 ? 'grpc' : 'connect'),
          codeOf(server.api(PolicyService).listPolicies({})),
        ]).flat(),
      );
      expect(new Set(calls)).toEqual(new Set(['no error']));
    });

    it('may do nothing that is for people, and people nothing that is for machines', async () => {
      const { credentials } = await enrolMember(server, 'agent', 'curious');
      expect(await codeOf(server.client(PolicyService, { credentials }).listPolicies({}))).toBe('SIGN_IN_NEEDED');
      const renewal = server.client(EnrolmentService, { token: server.administrator });
      expect(await codeOf(renewal.renew({ incarnation: 1n }))).toBe('NO_PERMISSION');
      expect(await renew(undefined, 'x')).toBe('NO_PERMISSION');
    });

    it.each([
      ['foreign', 'CERTIFICATE_UNTRUSTED', {}],
      ['expired and foreign', /CERTIFICATE_(UNTRUSTED|EXPIRED)/, { notAfter: new Date(Date.now() - 1000) }],
    ])('with a certificate that is %s are refused by name', async (_, code, flaws) => {
      const authority = await createTestAuthority();
      const credentials = await authority.issue({ role: 'agent', id: newId() }, flaws);
      expect(await renew(credentials, 'x')).toMatch(code);
      expect(await renew(credentials, 'x', 'connect')).toMatch(code);
    });

    it('that are revoked are refused by name, on the same connection too', async () => {
      const { id, credentials } = await enrolMember(server, 'agent', 'revoked');
      const client = server.client(EnrolmentService, { credentials });
      const call = async () =>
        codeOf(client.renew({ certificateRequest: (await newRequest()).der, hardware: hardwareOf('revoked'), incarnation: 1n }));
      expect(await call()).toBe('no error');
      await server.api(ServerService).revokeServer({ subject: id });
      expect(await call()).toBe('CERTIFICATE_REVOKED');
      expect(await renew(credentials, 'revoked')).toBe('CERTIFICATE_REVOKED');
    });

    it('may enrol anew whatever certificate they show', async () => {
      const { id, credentials } = await enrolMember(server, 'agent', 'again');
      await server.api(ServerService).revokeServer({ subject: id });
      const { secret } = await server.api(TokenService).createToken({ role: Role.AGENT });
      const request = { token: secret, certificateRequest: (await newRequest()).der, hardware: hardwareOf('again'), hostname: 'again' };
      const answer = await server.client(EnrolmentService, { credentials }).enrol({ ...request, role: Role.AGENT });
      expect(answer).toMatchObject({ id, incarnation: 2n });
      expect(new X509Certificate(answer.certificateChain[0]!).subject).toBe(`CN=${id}\nOU=agent`);
    });
  });

  it('bounds what it reads: messages, headers, and connections without a request', async () => {
    const client = server.api(PolicyService);
    const huge = 'x'.repeat(5 * 1024 * 1024);
    const refusal = await client.createPolicy({ policy: { name: huge } }).catch(errorOf);
    expect(refusal).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
    expect((await get(server, '/healthz', { headers: { 'x-long': 'y'.repeat(32 * 1024) } }).catch(() => ({ status: 431 }))).status).toBe(
      431,
    );
    expect(await codeOf(client.listPolicies({}))).toBe('no error');
  });

  it('takes so many calls a second of one person, and says when to try again', async () => {
    const slow = await startTestServer({ 'calls.per-person': '1' });
    const codes = await Promise.all(Array.from({ length: 12 }, () => codeOf(slow.api(PolicyService).listPolicies({}))));
    expect(codes.filter((code) => code === 'no error').length).toBeLessThan(12);
    expect(codes).toContain('TOO_MANY_CALLS');
    const asked = (): Promise<{ readonly status: number; readonly after: string | undefined }> =>
      new Promise((resolve, reject) => {
        const request = httpsRequest(
          {
            host: '127.0.0.1',
            port: slow.port,
            method: 'POST',
            path: '/holdfast.v1.PolicyService/ListPolicies',
            rejectUnauthorized: false,
            headers: { 'content-type': 'application/json', authorization: `Bearer ${slow.administrator}` },
          },
          (answer) => {
            answer.resume();
            resolve({ status: answer.statusCode!, after: answer.headers['retry-after'] });
          },
        );
        request.once('error', reject);
        request.end('{}');
      });
    let answer = await asked();
    while (answer.status === 200) answer = await asked();
    expect(answer).toEqual({ status: 429, after: '1' });
    // Another one is not held up by it.
    expect(await codeOf(slow.client(PolicyService, { token: newSecret() }).listPolicies({}))).toBe('SIGN_IN_NEEDED');
    await slow.stop();
  });

  it('is not harmed by bytes that are no request', async () => {
    for (const bytes of ['GET / HTTP/1.1\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage garbage garbage', '\0'.repeat(1000)]) {
      const socket = connectTls({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      socket.end(bytes);
      socket.on('error', () => undefined);
      socket.resume();
      await once(socket, 'close');
    }
    expect(await codeOf(server.api(PolicyService).listPolicies({}))).toBe('no error');
  });
});

describe('roles of people', () => {
  it('climb: reader, operator, administrator', async () => {
    const first = await startTestServer();
    await first.stop();
    const store = await openLevelStore(path.join(first.directory, 'state'), { events: 1000, audit: 1000, changes: 1000 });
    const secrets = new Map<PersonRole, string>();
    for (const role of ['reader', 'operator'] as const) {
      const secret = newSecret();
      secrets.set(role, secret);
      const record = accesses.document({ hash: hashOf(secret), name: role, role, created: 1 });
      await store.commit({ put: { [accesses.key(secretId(secret))]: record } });
    }
    // The beginning of a hash finds a record; the whole of it decides.
    const unlike = newSecret();
    const record = accesses.document({ hash: hashOf(newSecret()), name: 'unlike', role: 'administrator', created: 1 });
    await store.commit({ put: { [accesses.key(secretId(unlike))]: record } });
    await store.close();
    const server = await startTestServer({}, first.directory);
    expect(await codeOf(server.client(PolicyService, { token: unlike }).listPolicies({}))).toBe('SIGN_IN_NEEDED');
    const outcomes = async (token: string): Promise<string[]> => {
      const [policies, tokens] = [server.client(PolicyService, { token }), server.client(TokenService, { token })];
      return [
        await codeOf(policies.listPolicies({})),
        await codeOf(policies.createPolicy({ policy: { name: `p-${token.slice(0, 5)}` } })),
        await codeOf(tokens.createToken({ role: Role.AGENT })),
      ];
    };
    const [yes, no] = ['no error', 'NO_PERMISSION'];
    expect(await outcomes(secrets.get('reader')!)).toEqual([yes, no, no]);
    expect(await outcomes(secrets.get('operator')!)).toEqual([yes, yes, no]);
    expect(await outcomes(server.administrator)).toEqual([yes, yes, yes]);
  });
});

describe('the stop', () => {
  it('ends streams that are open, and is soon over', async () => {
    const server = await startTestServer();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { event } of server.api(EventService).watchEvents({})) seen.push(event!.code);
    })();
    const ended = codeOf(watching);
    while (seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await server.stop()).toBe(0);
    expect(await ended).toMatch(/no error|CONNECTION_LOST/);
    expect(await codeOf(server.api(PolicyService).listPolicies({}))).toBe('CONNECTION_LOST');
  });
});

describe('its own certificate', () => {
  it('is renewed by itself, without a new authority and without cutting anybody off', async () => {
    const server = await startTestServer({ 'certificates.own-lifetime': '2s' });
    const shown = async (): Promise<{ serial: string; authority: string }> => {
      const socket = connectTls({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
      await once(socket, 'secureConnect');
      const { serialNumber, issuerCertificate } = socket.getPeerCertificate(true);
      socket.destroy();
      return { serial: serialNumber, authority: publicKeyFingerprint(issuerCertificate.raw) };
    };
    const client = server.api(PolicyService);
    const first = await shown();
    expect(await codeOf(client.listPolicies({}))).toBe('no error');
    let now = first;
    for (let tries = 0; now.serial === first.serial && tries < 200; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      now = await shown();
    }
    expect(now.serial).not.toBe(first.serial);
    expect(now.authority).toBe(server.fingerprint);
    expect(await codeOf(client.listPolicies({}))).toBe('no error');
  });
});

describe('expired certificates', () => {
  it('are refused by name, also when they end while their connection is open', async () => {
    const server = await startTestServer({ 'certificates.lifetime': '2s', 'certificates.grace': '0s' });
    const { credentials } = await enrolMember(server, 'agent', 'short');
    const call = async (client = server.client(EnrolmentService, { credentials })) =>
      codeOf(client.renew({ certificateRequest: (await newRequest()).der, hardware: hardwareOf('short'), incarnation: 1n }));
    const open = server.client(EnrolmentService, { credentials });
    expect(await call(open)).toBe('no error');
    const end = new X509Certificate(credentials.certificateChain).validToDate.getTime();
    await new Promise((resolve) => setTimeout(resolve, end - Date.now() + 1100));
    expect(await call(open)).toBe('CERTIFICATE_EXPIRED');
    expect(await call()).toBe('CERTIFICATE_EXPIRED');
  });
});
