import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect } from 'node:tls';
import type { Client } from '@connectrpc/connect';
import {
  AuthorityService,
  EnrolmentService,
  EventService,
  PersonRole,
  publicKeyFingerprint,
  readSuccessor,
  SessionService,
  TokenService,
  UserService,
} from '@holdfast/protocol';
import { createTestAuthority } from '@holdfast/protocol/conformance';
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
import { roleMessage } from '../role-message.ts';
import { openAuthority } from './authority.ts';

afterEach(endTestServers);

/** As a member renews: a new key, a new certificate, and what to trust. */
const renew = async (server: TestServer, member: TestMember, name: string) => {
  const { key, der } = await newRequest();
  const client = server.client(EnrolmentService, { credentials: member.credentials });
  const answer = await client.renew({ certificateRequest: der, hardware: hardwareOf(name), incarnation: member.incarnation });
  const trusted = answer.trustedAuthorities.map((one) => publicKeyFingerprint(one));
  return { trusted, member: { ...member, credentials: { key, certificateChain: pem('CERTIFICATE', answer.certificateChain[0]!) } } };
};

/** Comes to the server with its certificate. */
const show = async (server: TestServer, member: TestMember, name: string): Promise<void> => {
  const stream = connectAgent(server, member, name);
  await stream.until(() => true);
  await stream.close();
};

/** Fingerprint of the authority that the server shows. */
const shownBy = (server: TestServer): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false, ALPNProtocols: ['h2'] }, () => {
      resolve(publicKeyFingerprint(socket.getPeerCertificate(true).issuerCertificate.raw));
      socket.destroy();
    });
    socket.once('error', reject);
  });

/** The next step; it may have been made already, since the server goes on by itself once all are ready. */
const step = async (api: Client<typeof AuthorityService>, phase: string): Promise<void> => {
  expect(await codeOf(api.rotateAuthority({ phase }))).toMatch(/^(no error|VERSION_CONFLICT)$/);
};

describe('another certificate authority', () => {
  it('is announced, signs once all know of it, and then the old one is trusted no more; nobody joins anew', async () => {
    const server = await startTestServer();
    const api = server.api(AuthorityService);
    const [web, db] = [await enrolMember(server, 'agent', 'web'), await enrolMember(server, 'agent', 'db')];
    const old = server.fingerprint;
    expect(await api.getAuthority({})).toMatchObject({ phase: 'steady', authorities: [{ fingerprint: old, signs: true }], waitingFor: [] });
    const { authority: announced } = await api.rotateAuthority({ phase: 'steady' });
    expect(announced).toMatchObject({ phase: 'announced', waitingFor: expect.arrayContaining(['web', 'db']) });
    const fresh = announced!.authorities.find(({ signs }) => !signs)!.fingerprint;
    expect(await shownBy(server)).toBe(old);
    expect(await codeOf(api.rotateAuthority({ phase: 'announced' }))).toBe('PREREQUISITES_MISSING');
    expect(await codeOf(api.rotateAuthority({ phase: 'steady' }))).toBe('VERSION_CONFLICT');

    // A member that was told and has not shown it may not know: the answer may have been lost.
    const first = await renew(server, web, 'web');
    expect(first.trusted.toSorted()).toEqual([old, fresh].toSorted());
    expect((await api.getAuthority({})).waitingFor).toContain('web');
    await show(server, first.member, 'web');
    expect((await api.getAuthority({})).waitingFor).toEqual(['db']);
    const second = await renew(server, db, 'db');
    await show(server, second.member, 'db');
    await step(api, 'announced');
    expect(await api.getAuthority({})).toMatchObject({ phase: 'switched' });
    expect(await shownBy(server)).toBe(fresh);

    // Certificates of the old one count still; whoever joins now knows both.
    await show(server, first.member, 'web');
    const late = await enrolMember(server, 'agent', 'late');
    await show(server, late, 'late');
    const [third, fourth] = [await renew(server, first.member, 'web'), await renew(server, second.member, 'db')];
    await show(server, third.member, 'web');
    expect((await api.getAuthority({})).waitingFor).toEqual(['db']);
    await show(server, fourth.member, 'db');
    await step(api, 'switched');
    expect(await api.getAuthority({})).toMatchObject({ phase: 'steady', authorities: [{ fingerprint: fresh, signs: true }] });
    for (const [member, name] of [
      [third.member, 'web'],
      [fourth.member, 'db'],
      [late, 'late'],
    ] as const)
      await show(server, member, name);
    expect((await connectAgent(server, first.member, 'web').ended)?.code).toBe('CERTIFICATE_UNTRUSTED');
    expect((await server.api(EventService).listEvents({ pageSize: 100 })).events.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['authority-announced', 'authority-switched', 'authority-steady']),
    );
    await server.stop();
    const again = await startTestServer({}, server.directory);
    expect(again.fingerprint).toBe(fresh);
  }, 60_000);

  it('takes one step where several want the same at once: nobody is shut out by the next', async () => {
    const server = await startTestServer();
    const api = server.api(AuthorityService);
    await enrolMember(server, 'agent', 'web');
    for (const phase of ['steady', 'announced', 'switched']) {
      const codes = await Promise.all([1, 2, 3].map(() => codeOf(api.rotateAuthority({ phase, force: true }))));
      expect(codes.toSorted()).toEqual(['VERSION_CONFLICT', 'VERSION_CONFLICT', 'no error']);
    }
    expect((await api.getAuthority({})).phase).toBe('steady');
  }, 60_000);

  it('is told to whoever trusts the one before, by the signature of that one, and to nobody else; after a restart too', async () => {
    const server = await startTestServer();
    const api = server.api(AuthorityService);
    const read = async (of: TestServer): Promise<{ readonly status: number | undefined; readonly text: string }> => {
      const asked = request({ host: '127.0.0.1', port: of.port, path: '/authority/successor', rejectUnauthorized: false, agent: false });
      asked.end();
      const [answer] = (await once(asked, 'response')) as [IncomingMessage];
      return { status: answer.statusCode, text: (await answer.toArray()).map(String).join('') };
    };
    const before = await readFile(path.join(server.directory, 'authority', 'authority.pem'), 'utf8');
    await step(api, 'steady');
    expect((await read(server)).status).toBe(404);
    await api.rotateAuthority({ phase: 'announced', force: true });
    const { text } = await read(server);
    const after = readSuccessor(text, before);
    expect(publicKeyFingerprint(after)).toBe(await shownBy(server));
    const stranger = await createTestAuthority();
    expect(() => readSuccessor(text, stranger.certificate)).toThrow('CERTIFICATE_UNTRUSTED');
    expect(() => readSuccessor(text, after)).toThrow('CERTIFICATE_UNTRUSTED');
    // Another certificate under the same signature.
    const swapped = JSON.stringify({ ...(JSON.parse(text) as object), certificate: stranger.certificate });
    expect(() => readSuccessor(swapped, before)).toThrow('CERTIFICATE_UNTRUSTED');
    await server.stop();
    expect((await read(await startTestServer({}, server.directory))).text).toBe(text);
  }, 60_000);

  it('is another one at once where the key may be known: nothing signed by the one before counts any more, and it says nothing of it', async () => {
    const server = await startTestServer();
    const api = server.api(AuthorityService);
    const web = await enrolMember(server, 'agent', 'web');
    const password = 'a long word of a person';
    await server.api(UserService).createUser({ name: 'anna', role: PersonRole.READER, password });
    const session = async (to: TestServer, token: string) => codeOf(to.client(SessionService, { token }).getSession({}));
    const { token } = await server.client(SessionService).signIn({ name: 'anna', password });
    const { secret } = await server.api(TokenService).createToken({ role: roleMessage('agent') });
    // An earlier replacement left a word of its own.
    await api.rotateAuthority({ phase: 'steady', force: true });
    await api.rotateAuthority({ phase: 'announced', force: true });
    const late = await enrolMember(server, 'agent', 'late');
    const [stream, old] = [connectAgent(server, late, 'late'), await shownBy(server)];
    await stream.until(() => true);
    expect(await codeOf(api.rotateAuthority({ phase: 'steady', compromised: true }))).toBe('VERSION_CONFLICT');
    expect(await session(server, token)).toBe('no error');
    const { authority } = await api.rotateAuthority({ phase: 'switched', compromised: true });
    expect(authority).toMatchObject({ phase: 'steady', waitingFor: [], authorities: [{ signs: true }] });
    const fresh = authority!.authorities[0]!.fingerprint;
    expect(fresh).not.toBe(old);
    // The stream that was open ends, and no other one comes up.
    expect(await stream.ended).toBeDefined();
    for (const [member, name] of [
      [late, 'late'],
      [web, 'web'],
    ] as const)
      expect((await connectAgent(server, member, name).ended)?.code).toBe('CERTIFICATE_UNTRUSTED');
    expect(await shownBy(server)).toBe(fresh);
    expect(await readdir(path.join(server.directory, 'authority'))).toEqual(['authority.key', 'authority.pem']);
    await server.stop();
    const again = await startTestServer({}, server.directory);
    expect(again.fingerprint).toBe(fresh);
    // Whoever pretended to be the server may have them.
    expect(await session(again, token)).toBe('SIGN_IN_NEEDED');
    expect(await codeOf(enrolMember(again, 'agent', 'evil', { token: secret }))).toBe('TOKEN_UNKNOWN');
    expect(await session(again, again.administrator)).toBe('no error');
    // Joined anew, it is what it was.
    expect((await enrolMember(again, 'agent', 'web')).id).toBe(web.id);
  }, 60_000);

  it('goes on after a crash at any step of the switch', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-rotation-'));
    const at = (file: string): string => path.join(directory, 'a', file);
    const authority = await openAuthority(path.join(directory, 'a'));
    const old = authority.fingerprint;
    await authority.turn('steady');
    const fresh = authority.newest;
    await cp(path.join(directory, 'a'), path.join(directory, 'announced'), { recursive: true });
    /** Does the first steps of the switch, and opens what is there then. */
    const after = async (steps: number) => {
      await rm(path.join(directory, 'a'), { recursive: true });
      await cp(path.join(directory, 'announced'), path.join(directory, 'a'), { recursive: true });
      if (steps > 0) await writeFile(at('authority-old.pem'), await readFile(at('authority.pem'), 'utf8'));
      if (steps > 1) await rename(at('authority-next.key'), at('authority.key'));
      if (steps > 2) await rename(at('authority-next.pem'), at('authority.pem'));
      return openAuthority(path.join(directory, 'a'), { mayMake: false });
    };
    for (const steps of [0, 1]) expect(await after(steps)).toMatchObject({ phase: 'announced', fingerprint: old, newest: fresh });
    for (const steps of [2, 3]) expect(await after(steps)).toMatchObject({ phase: 'switched', fingerprint: fresh, newest: fresh });
    // A next one whose key is lost is not taken for a switch that was cut short.
    await after(0);
    await rm(at('authority-next.key'));
    expect(await openAuthority(path.join(directory, 'a'), { mayMake: false })).toMatchObject({ fingerprint: old });
    await rm(directory, { recursive: true });
  });
});
