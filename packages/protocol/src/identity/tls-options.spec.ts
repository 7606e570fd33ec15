import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type ConnectionOptions, connect, createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import { type Certified, createTestAuthority, type TestAuthority, USAGES } from '../conformance/test-authority.ts';
import { newId } from '../id.ts';
import type { TlsCredentials } from './credentials.ts';
import { type Grace, type Peer, peerOfSocket } from './peer.ts';
import { clientTlsOptions, publicKeyFingerprint, serverTlsOptions } from './tls-options.ts';

const agent = { role: 'agent', id: newId() } as const;
const server = { role: 'process-server', id: newId() } as const;
const HOUR = 3_600_000;

let authority: TestAuthority;
let foreign: TestAuthority;
let ours: { agent: Certified; server: Certified };
beforeAll(async () => {
  [authority, foreign] = await Promise.all([createTestAuthority(), createTestAuthority()]);
  ours = { agent: await authority.issue(agent), server: await authority.issue(server) };
});

const listen = async (serving: TlsOptions): Promise<Server> => {
  const listener = createServer(serving);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return listener;
};

/** Lets one client connect and gives what the server and the client saw of it. */
const meetAt = async (listener: Server, connecting: ConnectionOptions, grace?: Grace) => {
  const seen = Promise.withResolvers<Peer | undefined>();
  // A rejection is looked at further down.
  seen.promise.catch(() => undefined);
  listener.removeAllListeners('secureConnection');
  listener.on('secureConnection', (socket) => {
    socket.on('error', () => undefined);
    try {
      seen.resolve(peerOfSocket(socket, grace));
    } catch (error) {
      seen.reject(error);
    }
    socket.end('hello');
  });
  const tickets: Buffer[] = [];
  const socket: TLSSocket = connect({ ...connecting, port: (listener.address() as AddressInfo).port, host: '127.0.0.1' });
  socket.on('session', (session: Buffer) => tickets.push(session));
  try {
    await once(socket, 'secureConnect');
    const [reused, protocol] = [socket.isSessionReused(), socket.getProtocol()];
    socket.resume();
    await once(socket, 'close');
    return { answer: await seen.promise, tickets, reused, protocol };
  } finally {
    socket.destroy();
  }
};

const meet = async (serving: TlsOptions, connecting: ConnectionOptions, grace?: Grace) => {
  const listener = await listen(serving);
  return meetAt(listener, connecting, grace).finally(() => listener.close());
};

const asClient = (credentials: TlsCredentials) => clientTlsOptions(credentials, server);

describe('mutual TLS', () => {
  it('tells each side who the other is, by TLS 1.3', async () => {
    const { answer, protocol } = await meet(serverTlsOptions(ours.server), asClient(ours.agent));
    expect(answer).toMatchObject({ identity: agent, serial: ours.agent.serial });
    expect(protocol).toBe('TLSv1.3');
  });

  it('lets a server see that no certificate was shown', async () => {
    const { key: _key, cert: _cert, ...bare } = asClient(ours.agent);
    expect((await meet(serverTlsOptions(ours.server), bare)).answer).toBeUndefined();
  });

  it.each<[string, string, () => Promise<Certified>]>([
    [
      'has expired',
      'CERTIFICATE_EXPIRED',
      () => authority.issue(agent, { notBefore: new Date(Date.now() - 2 * HOUR), notAfter: new Date(Date.now() - HOUR) }),
    ],
    [
      'is not valid yet',
      'CERTIFICATE_EXPIRED',
      () => authority.issue(agent, { notBefore: new Date(Date.now() + HOUR), notAfter: new Date(Date.now() + 2 * HOUR) }),
    ],
    [
      'another authority signed',
      'CERTIFICATE_UNTRUSTED',
      async () => ({ ...(await foreign.issue(agent)), authorities: authority.certificate }),
    ],
    ['is for servers only', 'CERTIFICATE_UNTRUSTED', () => authority.issue(agent, { usages: [USAGES.server] })],
    ['names nobody', 'IDENTITY_MISMATCH', () => authority.issue(agent, { names: [{ type: 'dns', value: 'a.example' }] })],
  ])('refuses a client whose certificate %s', async (_what, code, issue) => {
    await expect(meet(serverTlsOptions(ours.server), asClient(await issue()))).rejects.toMatchObject({ code });
  });

  describe('with grace', () => {
    const ended = { notBefore: new Date(Date.now() - 3 * HOUR), notAfter: new Date(Date.now() - HOUR) };
    const der = (pem: string): Uint8Array => Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
    const meetLate = async (certified: Certified, lasts: number) =>
      meet(serverTlsOptions(ours.server), asClient({ ...certified, authorities: authority.certificate }), {
        lasts,
        authorities: [der(authority.certificate)],
      });

    it('lets in a client whose certificate ended, for as long as it lasts', async () => {
      const late = await authority.issue(agent, ended);
      expect((await meetLate(late, 2 * HOUR)).answer).toMatchObject({ identity: agent, serial: late.serial });
      await expect(meetLate(late, HOUR / 2)).rejects.toMatchObject({ code: 'CERTIFICATE_EXPIRED' });
    });

    it('refuses one that ended and was never good', async () => {
      // Of one name with ours: TLS finds the issuer by it, finds the signature wrong, and then tells of the end alone.
      const forged = await foreign.issue(agent, ended);
      await expect(meetLate(forged, 2 * HOUR)).rejects.toMatchObject({ code: expect.stringMatching(/CERTIFICATE_(EXPIRED|UNTRUSTED)/) });
      const early = await authority.issue(agent, { notBefore: new Date(Date.now() + HOUR), notAfter: new Date(Date.now() + 2 * HOUR) });
      await expect(meetLate(early, 2 * HOUR)).rejects.toMatchObject({ code: 'CERTIFICATE_EXPIRED' });
    });
  });

  it.each<[string, RegExp, () => Promise<Certified>]>([
    ['another id', /IDENTITY_MISMATCH/, () => authority.issue({ ...server, id: newId() })],
    ['another role', /IDENTITY_MISMATCH/, () => authority.issue({ ...server, role: 'agent' })],
    ['another authority', /signature|unable|self/, () => foreign.issue(server)],
    ['an expired certificate', /expired/, () => authority.issue(server, { notAfter: new Date(Date.now() - 1000) })],
  ])('refuses a server with %s', async (_what, words, issue) => {
    await expect(meet(serverTlsOptions(await issue()), asClient(ours.agent))).rejects.toThrow(words);
  });

  it('takes a server of the role when no id is known', async () => {
    const some = await authority.issue({ ...server, id: newId() });
    const { answer } = await meet(serverTlsOptions(some), clientTlsOptions(ours.agent, { role: 'process-server' }));
    expect(answer).toMatchObject({ identity: agent });
  });

  it('never resumes a session', async () => {
    const resume = async (serving: TlsOptions): Promise<boolean> => {
      const listener = await listen(serving);
      const { tickets } = await meetAt(listener, asClient(ours.agent));
      const session = tickets.at(-1);
      const { reused } = await meetAt(listener, { ...asClient(ours.agent), ...(session === undefined ? {} : { session }) });
      listener.close();
      return reused;
    };
    expect(await resume(serverTlsOptions(ours.server))).toBe(false);
    // Negative control: a server without this option does.
    const { secureOptions: _off, ...plain } = serverTlsOptions(ours.server);
    expect(await resume(plain)).toBe(true);
  });
});

describe('publicKeyFingerprint', () => {
  it('is the SHA-256 of the public key, of PEM and DER alike', () => {
    expect(publicKeyFingerprint(authority.certificate)).toBe(authority.fingerprint);
    expect(publicKeyFingerprint(ours.agent.der)).toBe(publicKeyFingerprint(ours.agent.certificateChain));
    expect(publicKeyFingerprint(ours.agent.der)).not.toBe(authority.fingerprint);
  });
});
