import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import type { HoldfastError } from '@holdfast/errors';
import { createKeyVaultKey, createMemoryStore, type KeyVaultKey } from '@holdfast/object-store';
import { addHolder, createVault, listHolders, openVault, removeHolder, type VaultKey } from '@holdfast/vault';
import { createCertificate } from '../azurite/certificate.ts';
import { type FakeKeyVault, type KeyRight, startKeyVault } from './key-vault.ts';

let folder: string;
let service: FakeKeyVault;
let certificateAuthorities: string;
const tokens: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'holdfast-key-vault-'));
  const pem = await createCertificate(folder);
  service = await startKeyVault(pem);
  certificateAuthorities = await readFile(pem.certificate, 'utf8');
  await service.createVersion('office');
});
afterAll(async () => {
  await service.stop();
  await rm(folder, { recursive: true });
});

/** The key as somebody with these rights has it. */
const keyWith = async (rights: readonly KeyRight[], name = 'office'): Promise<KeyVaultKey> => {
  const token = await service.grant(rights);
  tokens.push(token);
  const credential = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) };
  return createKeyVaultKey(`${service.url}/keys/${name}`, { credential, certificateAuthorities });
};

const failure = (answer: Promise<unknown>): Promise<HoldfastError> =>
  answer.then(
    () => Promise.reject(new Error('it was done')),
    (reason: HoldfastError) => reason,
  );

const secret = Buffer.alloc(32, 5);

describe('a key in a key vault', () => {
  it('wraps under its newest version and unwraps what any of them wrapped', async () => {
    const key = await keyWith(['get', 'wrapKey', 'unwrapKey']);
    const first = await key.wrap(secret);
    const version = await service.createVersion('office');
    const second = await key.wrap(secret);
    expect(second.version).toBe(version);
    expect(first.version).not.toBe(version);
    for (const { version: by, wrapped } of [first, second]) {
      expect(Buffer.from(wrapped).includes(secret)).toBe(false);
      expect(Buffer.from(await key.unwrap(by, wrapped)).equals(secret)).toBe(true);
    }
    // What one version wrapped is nothing to the other.
    expect(await failure(key.unwrap(second.version, first.wrapped))).toMatchObject({
      code: 'DAMAGED',
      why: expect.stringContaining('BadParameter'),
    });
  });

  it('needs no other right to be used than the one for it; each refusal is in the words of the service', async () => {
    const { version, wrapped } = await (await keyWith(['get', 'wrapKey'])).wrap(secret);
    const holder = await keyWith(['unwrapKey']);
    expect(Buffer.from(await holder.unwrap(version, wrapped)).equals(secret)).toBe(true);
    expect(await failure(holder.wrap(secret))).toMatchObject({
      code: 'NO_PERMISSION',
      why: expect.stringContaining('keys get permission'),
    });
    const adder = await keyWith(['get', 'wrapKey']);
    expect(await failure(adder.unwrap(version, wrapped))).toMatchObject({
      code: 'NO_PERMISSION',
      why: expect.stringMatching(/Forbidden \(ForbiddenByPolicy\): .*keys unwrapKey permission/),
    });
    const stranger = createKeyVaultKey(`${service.url}/keys/office`, {
      credential: { getToken: async () => ({ token: 'forged', expiresOnTimestamp: Date.now() + 3_600_000 }) },
      certificateAuthorities,
    });
    expect(await failure(stranger.unwrap(version, wrapped))).toMatchObject({
      code: 'NO_PERMISSION',
      why: expect.stringContaining('Unauthorized'),
    });
  });

  it('that is disabled, missing or busy is told from one that may not be used', async () => {
    await service.createVersion('other');
    const key = await keyWith(['get', 'wrapKey', 'unwrapKey'], 'other');
    const { version, wrapped } = await key.wrap(secret);
    await service.enable('other', false);
    expect(await failure(key.unwrap(version, wrapped))).toMatchObject({
      code: 'NO_PERMISSION',
      why: expect.stringContaining('(KeyDisabled)'),
    });
    await service.enable('other', true);
    await service.beBusy(429, 503);
    expect(Buffer.from(await key.unwrap(version, wrapped)).equals(secret)).toBe(true);
    await service.beBusy(429, 429, 429, 429, 429, 429);
    expect(await failure(key.unwrap(version, wrapped))).toMatchObject({
      code: 'KEY_SERVICE_UNAVAILABLE',
      retryable: true,
      why: expect.stringContaining('Throttled'),
    });
    await service.beBusy();
    await service.purge('other');
    expect(await failure(key.unwrap(version, wrapped))).toMatchObject({ code: 'KEY_NOT_FOUND' });
    expect(await failure((await keyWith(['get', 'wrapKey'], 'never')).wrap(secret))).toMatchObject({ code: 'KEY_NOT_FOUND' });
  });

  it('shows its token to nobody else, and to no message', async () => {
    for (const url of [
      'https://vault.azure.net.example.com/keys/k',
      'http://127.0.0.1/keys/k',
      `${service.url}/secrets/k`,
      `${service.url}/keys/k/0123`,
      'https://user:pw@a.vault.azure.net/keys/k',
    ])
      expect(() => createKeyVaultKey(url)).toThrow('SETTING_INVALID');
    expect(createKeyVaultKey('https://Acme.vault.azure.net/keys/Office/').id).toBe('https://acme.vault.azure.net/keys/office');
    const untrusting = createKeyVaultKey(`${service.url}/keys/office`, {
      credential: { getToken: async () => ({ token: tokens[0]!, expiresOnTimestamp: Date.now() + 3_600_000 }) },
    });
    const errors = [await failure(untrusting.wrap(secret)), await failure((await keyWith([])).wrap(secret))];
    expect(errors[0]).toMatchObject({ code: 'SETTING_INVALID', why: expect.stringContaining('certificate') });
    for (const error of errors) {
      const shown = inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error);
      for (const token of tokens) expect(shown).not.toContain(token);
    }
  });

  it('is the holder of a vault like any other', async () => {
    const store = createMemoryStore();
    const admin: VaultKey = { kind: 'key-file', secret: Buffer.alloc(32, 1) };
    const vault = await createVault(store, { name: 'v', keys: [admin] });
    const { id } = await addHolder(vault, { kind: 'key-vault', key: await keyWith(['get', 'wrapKey']) }, { label: 'process servers' });
    const server: VaultKey = { kind: 'key-vault', key: await keyWith(['unwrapKey']) };
    await service.createVersion('office');
    expect((await openVault(store, server)).fingerprint).toBe(vault.fingerprint);
    expect((await listHolders(vault)).at(-1)).toMatchObject({
      kind: 'key-vault',
      keyId: `${service.url}/keys/office`,
      label: 'process servers',
    });
    expect(await failure(openVault(store, { kind: 'key-vault', key: await keyWith([]) }))).toMatchObject({ code: 'NO_PERMISSION' });
    await removeHolder(vault, id);
    expect(await failure(openVault(store, server))).toMatchObject({ code: 'VAULT_KEY_WRONG' });
  });
});
