import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HoldfastError } from '@holdfast/errors';
import { createAzureStore, type ObjectStore } from '@holdfast/object-store';
import { type Azurite, startAzurite } from './azurite.ts';
import { createCertificate } from './certificate.ts';
import { signSas } from './sas.ts';

const content = Buffer.from('content');
const failure = (answer: Promise<unknown>): Promise<HoldfastError> =>
  answer.then(
    () => Promise.reject(new Error('it did not fail')),
    (reason: HoldfastError) => reason,
  );
const listen = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

describe.unless(lacks('openssl'), 'a store behind TLS', () => {
  let azurite: Azurite;
  let folder: string;
  let url: string;
  let certificateAuthorities: string;
  const opened: ObjectStore[] = [];
  const servers: Server[] = [];
  const environment = { ...process.env };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-azurite-'));
    const tls = await createCertificate(folder);
    certificateAuthorities = await readFile(tls.certificate, 'utf8');
    await mkdir(join(folder, 'blobs'));
    azurite = await startAzurite({ folder: join(folder, 'blobs'), tls });
    url = await azurite.createContainer('vault');
  });
  afterEach(async () => {
    process.env = { ...environment };
    for (const store of opened.splice(0)) await store.close();
    for (const server of servers.splice(0)) {
      server.close();
      server.closeAllConnections();
    }
  });
  afterAll(async () => {
    await azurite.stop();
    await rm(folder, { recursive: true });
  });
  const open = (options: Partial<Parameters<typeof createAzureStore>[0]> = {}): ObjectStore => {
    const store = createAzureStore({ url, credential: { kind: 'key', key: azurite.key }, certificateAuthorities, ...options });
    opened.push(store);
    return store;
  };

  it('trusts the authority it is given', async () => {
    await open().create('trusted', content);
    expect(Buffer.from(await open().read('trusted')).equals(content)).toBe(true);
    const sas = open({ credential: { kind: 'sas', sas: signSas(azurite, 'vault', 'r') } });
    expect((await sas.stat('trusted')).size).toBe(content.length);
  });

  it('trusts no other, and says so at once', async () => {
    const store = createAzureStore({ url, credential: { kind: 'key', key: azurite.key } });
    opened.push(store);
    const error = await failure(store.stat('a'));
    expect(error).toMatchObject({ code: 'SETTING_INVALID', retryable: false, why: expect.stringContaining('certificate') });
  });

  /** A proxy that hands on what `CONNECT` names, to those who know the password. */
  const startProxy = async (): Promise<{ readonly proxy: string; readonly through: string[] }> => {
    const through: string[] = [];
    const server = createServer();
    server.on('connect', ({ url: target, headers }, socket: Socket) => {
      const known = headers['proxy-authorization'] === `Basic ${Buffer.from('user:pass word').toString('base64')}`;
      through.push(`${target} ${known ? 'known' : 'unknown'}`);
      if (!known) return void socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      const [host = '', port] = target!.split(':');
      // As a name server of a private network does: the account's own name leads to an address in it.
      const onward = connect(Number(port), host.endsWith('.blob.core.windows.net') ? '127.0.0.1' : host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(onward).pipe(socket);
      });
      for (const end of [socket, onward]) end.on('error', () => [socket, onward].map((each) => each.destroy()));
    });
    servers.push(server);
    return { proxy: `http://user:pass%20word@127.0.0.1:${await listen(server)}`, through };
  };

  it('goes through a proxy, to a service of an authority of its own', async () => {
    const { proxy, through } = await startProxy();
    const store = open({ proxy });
    await store.create('proxied', content);
    expect((await store.read('proxied')).length).toBe(content.length);
    expect(through).toEqual([`127.0.0.1:${azurite.port} known`]);
  });

  it('reaches an account by its own name, wherever that leads: a private endpoint', async () => {
    const { proxy, through } = await startProxy();
    const name = `${azurite.account}.blob.core.windows.net`;
    const own = `azure:https://${name}:${azurite.port}/vault`;
    const store = open({ url: own, proxy });
    await store.create('private', content);
    expect(Buffer.from(await open().read('private')).equals(content)).toBe(true);
    expect(through).toEqual([`${name}:${azurite.port} known`]);
    // By the name of the private zone alone nobody proves to be the account.
    const error = await failure(open({ url: own.replace('.blob.', '.privatelink.blob.'), proxy }).stat('private'));
    expect(error).toMatchObject({ code: 'SETTING_INVALID', why: expect.stringContaining('certificate') });
  });

  it('says what a proxy says, without the password', async () => {
    const { proxy, through } = await startProxy();
    const error = await failure(open({ proxy: proxy.replace('pass%20word', 'wrong%20word') }).stat('a'));
    expect(error.code).toBe('STORE_UNAVAILABLE');
    expect(error.message).not.toMatch(/wrong.*word/);
    expect(through).toEqual([`127.0.0.1:${azurite.port} unknown`]);
  });

  it('goes through the proxy of the environment, but not where NO_PROXY says so', async () => {
    const { proxy, through } = await startProxy();
    process.env['HTTPS_PROXY'] = proxy;
    await open().create('by-environment', content);
    expect(through).toHaveLength(1);
    process.env['NO_PROXY'] = '127.0.0.1';
    await open().stat('by-environment');
    expect(through).toHaveLength(1);
  });

  /** The service that gives a machine of Azure its tokens: https://learn.microsoft.com/azure/app-service/overview-managed-identity */
  const startIdentityService = async (): Promise<{ readonly asked: string[] }> => {
    const asked: string[] = [];
    const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
    const server = createServer((request, response) => {
      const query = new URL(request.url!, 'http://x').searchParams;
      const resource = query.get('resource')!;
      asked.push(resource);
      const now = Math.floor(Date.now() / 1000);
      const claims = { aud: resource, iss: 'https://sts.windows.net/tenant/', nbf: now - 60, iat: now - 60, exp: now + 3600 };
      const token = [encode({ alg: 'RS256', typ: 'JWT' }), encode(claims), 'c2lnbmVk'].join('.');
      const refused = request.headers['x-identity-header'] !== 'header' || query.get('client_id') === 'stranger';
      response.writeHead(refused ? 401 : 200, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify(refused ? { error: 'no' } : { access_token: token, expires_on: `${now + 3600}`, resource, token_type: 'Bearer' }),
      );
    });
    servers.push(server);
    process.env['IDENTITY_ENDPOINT'] = `http://127.0.0.1:${await listen(server)}/token`;
    process.env['IDENTITY_HEADER'] = 'header';
    process.env['AZURE_TOKEN_CREDENTIALS'] = 'ManagedIdentityCredential';
    return { asked };
  };

  it('comes by an identity of the machine, with one token for many requests, and says so when there is none', async () => {
    const { asked } = await startIdentityService();
    const store = open({ credential: { kind: 'identity' } });
    await store.create('identified', content);
    expect((await store.read('identified', { offset: -3 })).length).toBe(3);
    expect(asked).toEqual(['https://storage.azure.com']);

    const stranger = open({ credential: { kind: 'identity', clientId: 'stranger' } });
    const error = await failure(stranger.stat('identified'));
    expect(error).toMatchObject({ code: 'NO_PERMISSION', why: expect.stringContaining('no identity') });
  });
});
