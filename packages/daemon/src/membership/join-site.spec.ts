import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { newId } from '@holdfast/protocol';
import { type Certified, createTestAuthority, type Flaws, USAGES } from '@holdfast/protocol/conformance';
import { openTestSite, type TestSite } from '../conformance/test-site.ts';
import type { Address } from '../settings/kinds.ts';
import { readIdentity } from './identity-file.ts';
import { type JoinOptions, joinSite } from './join-site.ts';

const hardware = { productUuid: 'b0a7', productSerial: '', macAddresses: ['52:54:00:00:00:01'], machineId: 'a'.repeat(32) };

describe('joinSite', () => {
  let site: TestSite;
  let directory: string;
  beforeEach(async () => {
    [site, directory] = await Promise.all([openTestSite(), mkdtemp(path.join(tmpdir(), 'join-'))]);
  });
  afterEach(() => Promise.all([site.close(), rm(directory, { recursive: true })]));

  const options = (changes: Partial<JoinOptions> = {}): JoinOptions => ({
    server: site.address,
    token: site.createToken(),
    fingerprint: site.fingerprint,
    role: 'agent',
    hardware,
    hostname: 'web-1',
    version: '1.2.3',
    directory,
    ...changes,
  });
  const join = (changes?: Partial<JoinOptions>) => joinSite(options(changes));

  it('makes this machine a member, and only its owner can read the key', async () => {
    const joined = await join({ endpoints: ['web-1:9443'], role: 'process-server' });
    expect(site.members).toMatchObject([
      { id: joined.id, incarnation: 1, request: { hostname: 'web-1', version: '1.2.3', endpoints: ['web-1:9443'], hardware } },
    ]);
    expect(joined.problem).toBeUndefined();
    expect(Math.abs(joined.notAfter - Date.now() - site.lifetime)).toBeLessThan(60_000);
    expect(await readIdentity(directory)).toMatchObject({
      id: joined.id,
      role: 'process-server',
      incarnation: 1,
      server: site.address,
      hardware,
    });
    expect((await stat(path.join(directory, 'identity', 'identity.json'))).mode & 0o777).toBe(0o600);
    expect((await stat(path.join(directory, 'identity'))).mode & 0o777).toBe(0o700);
  });

  it('never sends the key', async () => {
    await join();
    const { key } = await readIdentity(directory);
    const secret = Buffer.from(key.split('\n').slice(1, -2).join(''), 'base64').subarray(36, 68);
    const sent = Buffer.from(site.members[0]!.request.certificateRequest);
    expect(secret).toHaveLength(32);
    expect(sent.includes(secret)).toBe(false);
    expect(sent.length).toBeGreaterThan(100);
  });

  it('takes a fingerprint with capital letters and colons, and nothing else', async () => {
    const colons = site.fingerprint.toUpperCase().match(/../g)!.join(':');
    await expect(join({ fingerprint: ` ${colons}\n` })).resolves.toBeDefined();
    await expect(join({ fingerprint: site.fingerprint.slice(1) })).rejects.toMatchObject({ code: 'SETTING_INVALID' });
  });

  it('replaces an older identity by the next incarnation of the same machine', async () => {
    const first = await join();
    const second = await join();
    expect(second).toMatchObject({ id: first.id, incarnation: 2 });
    expect((await readIdentity(directory)).incarnation).toBe(2);
  });

  it('passes on what the server says of a token, and leaves the older identity alone', async () => {
    const token = site.createToken();
    await join({ token });
    const before = await readFile(path.join(directory, 'identity', 'identity.json'), 'utf8');
    await expect(join({ token })).rejects.toMatchObject({ code: 'TOKEN_USED' });
    await expect(join({ token: 'guessed' })).rejects.toMatchObject({ code: 'TOKEN_UNKNOWN' });
    expect(await readFile(path.join(directory, 'identity', 'identity.json'), 'utf8')).toBe(before);
  });

  it('does not send the token to another authority, and names the one it met', async () => {
    const other = await createTestAuthority();
    const token = site.createToken();
    await expect(join({ token, fingerprint: other.fingerprint })).rejects.toMatchObject({
      code: 'CERTIFICATE_UNTRUSTED',
      why: expect.stringContaining(site.fingerprint),
    });
    await expect(readIdentity(directory)).rejects.toMatchObject({ code: 'NOT_ENROLLED' });
    await expect(join({ token })).resolves.toBeDefined(); // it is still good
  });

  it('names a server that is away', async () => {
    await site.stop();
    await expect(join()).rejects.toMatchObject({ code: 'CONNECTION_LOST', thing: expect.stringContaining(String(site.address.port)) });
  });

  it('can be interrupted while nobody answers', async () => {
    const silent = createTcpServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const server = { host: '127.0.0.1', port: (silent.address() as AddressInfo).port };
    const connected = new Promise((resolve) => silent.once('connection', resolve));
    const controller = new AbortController();
    const joining = join({ server, signal: controller.signal }).catch((reason: unknown) => reason);
    await connected;
    controller.abort(new Error('Ctrl-C'));
    expect(await joining).toMatchObject({ why: 'Ctrl-C' });
    silent.close();
  });

  describe('from a server with a false certificate', () => {
    /** A TLS server that only listens; gives the bytes that came over TLS. */
    const impostor = async (shown: Certified, chain = `${shown.certificateChain}\n${site.authority.certificate}`) => {
      const received: Buffer[] = [];
      const sockets: TLSSocket[] = [];
      const server = createTlsServer({ key: shown.key, cert: chain, ALPNProtocols: ['h2'], minVersion: 'TLSv1.3' }, (socket) => {
        sockets.push(socket);
        socket.on('data', (bytes: Buffer) => void received.push(bytes));
        socket.on('error', () => undefined);
      });
      server.on('tlsClientError', () => undefined);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address: Address = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
      return {
        address,
        received,
        close() {
          for (const socket of sockets) socket.destroy();
          return new Promise((resolve) => server.close(resolve));
        },
      };
    };
    const identity = { role: 'configuration-server', id: newId() } as const;
    const hour = 3_600_000;

    it.each<[string, Flaws, string, RegExp]>([
      ['ended', { notAfter: new Date(Date.now() - 3 * hour) }, 'CERTIFICATE_EXPIRED', /ended 3 h ago/],
      [
        'not valid yet',
        { notBefore: new Date(Date.now() + hour / 2), notAfter: new Date(Date.now() + hour) },
        'CERTIFICATE_EXPIRED',
        /valid in 30 min.*clocks/,
      ],
      ['of a client', { usages: [USAGES.client] }, 'CERTIFICATE_UNTRUSTED', /not one for a server/],
      ['of nobody', { names: [{ type: 'dns', value: 'x.example' }] }, 'IDENTITY_MISMATCH', /names no identity/],
    ])('one that is %s', async (_what, flaws, code, words) => {
      const { address, received, close } = await impostor(await site.authority.issue(identity, flaws));
      await expect(join({ server: address })).rejects.toMatchObject({ code, why: expect.stringMatching(words) });
      await close();
      expect(received).toEqual([]);
    });

    it('one of an agent of the installation', async () => {
      const { address, received, close } = await impostor(await site.authority.issue({ role: 'agent', id: newId() }));
      await expect(join({ server: address })).rejects.toMatchObject({ code: 'IDENTITY_MISMATCH' });
      await close();
      expect(received).toEqual([]);
    });

    it('one of another authority, shown with the right authority behind it', async () => {
      const other = await (await createTestAuthority()).issue(identity);
      const { address, received, close } = await impostor(other);
      await expect(join({ server: address })).rejects.toMatchObject({ code: 'CERTIFICATE_UNTRUSTED' });
      await close();
      expect(received).toEqual([]);
    });

    it('one whose authority is not shown', async () => {
      const shown = await site.authority.issue(identity);
      const { address, close } = await impostor(shown, shown.certificateChain);
      await expect(join({ server: address })).rejects.toMatchObject({ code: 'CERTIFICATE_UNTRUSTED' });
      await close();
    });
  });

  it('says when the clocks differ, and keeps the identity', async () => {
    const certify = site.authority.certify.bind(site.authority);
    jest
      .spyOn(site.authority, 'certify')
      .mockImplementation((request, who, flaws) => certify(request, who, { ...flaws, notBefore: new Date(Date.now() + 600_000) }));
    const { problem } = await join();
    expect(problem).toMatchObject({ code: 'CERTIFICATE_EXPIRED', why: expect.stringMatching(/10 min.*clocks/) });
    await expect(readIdentity(directory)).resolves.toBeDefined();
  });
});
