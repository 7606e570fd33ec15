import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentialFromEnvironment, fileSecret, resolveAccess } from './azure-credential.ts';
import { parseAzureUrl } from './azure-place.ts';

const place = parseAzureUrl('azure:https://acme.blob.core.windows.net/vault');
const key = Buffer.alloc(64, 9).toString('base64');
const sas = 'sv=2026-10-06&sp=rc&sr=c&sig=AAAA%2F';

describe('credentials', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-credential-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const resolved = (environment: Record<string, string>): Promise<unknown> => resolveAccess(credentialFromEnvironment(environment), place);

  it('come from the environment', async () => {
    expect(await resolved({ AZURE_STORAGE_KEY: key })).toEqual({ kind: 'key', secret: key });
    expect(await resolved({ AZURE_STORAGE_SAS_TOKEN: `?${sas}` })).toEqual({ kind: 'sas', secret: sas });
    expect(await resolved({})).toEqual({ kind: 'identity', clientId: undefined });
    expect(await resolved({ AZURE_CLIENT_ID: 'x', AZURE_STORAGE_KEY: '' })).toEqual({ kind: 'identity', clientId: 'x' });
    const text = `DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=${key};EndpointSuffix=core.windows.net`;
    expect(await resolved({ AZURE_STORAGE_CONNECTION_STRING: text })).toEqual({ kind: 'key', secret: key });
    const shared = `BlobEndpoint=https://acme.blob.core.windows.net/;SharedAccessSignature=${sas}`;
    expect(await resolved({ AZURE_STORAGE_CONNECTION_STRING: shared })).toEqual({ kind: 'sas', secret: sas });
  });

  it('come from files, read anew each time', async () => {
    const path = join(folder, 'key');
    await writeFile(path, `${key}\n`);
    const credential = credentialFromEnvironment({ AZURE_STORAGE_KEY_FILE: path });
    expect(await resolveAccess(credential, place)).toEqual({ kind: 'key', secret: key });
    const other = Buffer.alloc(64, 1).toString('base64');
    await writeFile(path, other);
    expect(await resolveAccess(credential, place)).toEqual({ kind: 'key', secret: other });
  });

  it('are missed by name, and never so that an object seems to be missing', async () => {
    const missing = join(folder, 'missing');
    await expect(resolveAccess({ kind: 'sas', sas: fileSecret(missing) }, place)).rejects.toMatchObject({
      code: 'NO_PERMISSION',
      thing: missing,
    });
  });

  it('are refused when there are two', () => {
    expect(() => credentialFromEnvironment({ AZURE_STORAGE_KEY: key, AZURE_STORAGE_SAS_TOKEN_FILE: '/x' })).toThrow('SETTING_INVALID');
  });

  it.each([
    { AZURE_STORAGE_KEY: 'no base64: SECRET' },
    { AZURE_STORAGE_SAS_TOKEN: 'sv=2026-10-06&SECRET' },
    { AZURE_STORAGE_SAS_TOKEN: 'https://acme.blob.core.windows.net/vault?sv=1&sig=SECRET' },
    { AZURE_STORAGE_CONNECTION_STRING: 'SECRET' },
    { AZURE_STORAGE_CONNECTION_STRING: 'UseDevelopmentStorage=true' },
    { AZURE_STORAGE_CONNECTION_STRING: `AccountName=other;AccountKey=${key}` },
    { AZURE_STORAGE_CONNECTION_STRING: `BlobEndpoint=https://other.blob.core.windows.net;SharedAccessSignature=${sas}` },
  ])('are refused without being repeated when they cannot be right: %j', async (environment) => {
    const refused = await resolved(environment as Record<string, string>).catch((reason: unknown) => reason);
    expect(refused).toMatchObject({ code: 'SETTING_INVALID' });
    for (const secret of ['SECRET', key, sas]) expect(String(refused)).not.toContain(secret);
  });

  it('do not let a SAS out on plain http; a key never leaves the machine', async () => {
    const open = parseAzureUrl('azure:http://10.0.0.1:10000/one/vault');
    await expect(resolveAccess({ kind: 'sas', sas }, open)).rejects.toMatchObject({ code: 'SETTING_INVALID' });
    expect(await resolveAccess({ kind: 'key', key }, open)).toEqual({ kind: 'key', secret: key });
  });
});
