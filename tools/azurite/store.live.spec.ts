import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import type { HoldfastError } from '@holdfast/errors';
import { type AzureCredential, createAzureStore, type ObjectStore } from '@holdfast/object-store';
import { describeObjectStore } from '@holdfast/object-store/conformance';
import { type Azurite, startAzurite } from './azurite.ts';
import { signSas } from './sas.ts';

let azurite: Azurite;
let container = 0;
const opened: ObjectStore[] = [];

beforeAll(async () => {
  azurite = await startAzurite({ folder: await mkdtemp(join(tmpdir(), 'holdfast-azurite-')) });
});
afterEach(() => Promise.all(opened.splice(0).map((store) => store.close())));
afterAll(async () => {
  await azurite.stop();
  await rm(azurite.folder, { recursive: true });
});

const newUrl = (): Promise<string> => azurite.createContainer(`container-${++container}`);
const keyOf = ({ key }: Azurite): AzureCredential => ({ kind: 'key', key });
const open = (url: string, credential = keyOf(azurite)): ObjectStore => {
  const store = createAzureStore({ url, credential });
  opened.push(store);
  return store;
};
const outcome = (answer: Promise<unknown>): Promise<string> =>
  answer.then(
    () => 'done',
    ({ code }: HoldfastError) => code,
  );
const names = async (store: ObjectStore): Promise<string[]> => {
  const found: string[] = [];
  for await (const { name } of store.list('')) found.push(name);
  return found;
};

describeObjectStore('a container of Azurite', {
  open: async () => createAzureStore({ url: await newUrl(), credential: keyOf(azurite) }),
  reopen: async (store) => createAzureStore({ url: store.url, credential: keyOf(azurite) }),
});

describe('a store in Azurite', () => {
  // Azurite offers no locks; a keeper that was told to set some says so, and what it asks of lists is understood.
  it('says that there are no locks where there are none', async () => {
    const store = open(await newUrl());
    await store.create('m/1', Buffer.from('x'));
    const listed = [];
    for await (const info of store.list('m/', { locks: true })) listed.push(info);
    expect(listed).toMatchObject([{ name: 'm/1', size: 1 }]);
    expect(listed[0]!.lockedUntil).toBeUndefined();
    expect(await outcome(store.lockUntil!('m/1', Date.now() + 3_600_000))).toBe('UNSUPPORTED_OPERATION');
    // By its clock, which is this machine's, locks would end.
    expect(Math.abs((await store.time!()) - Date.now())).toBeLessThan(60_000);
    await store.delete('m/1');
  });

  it('moves objects between tiers, and refuses by name what somebody archived, with what to do', async () => {
    const url = await newUrl();
    const store = open(url);
    await store.create('m/1', Buffer.from('seldom read'));
    expect((await store.stat('m/1')).tier).toBe('hot');
    for (const tier of ['cool', 'cold', 'hot', 'cool'] as const) {
      await store.setTier!('m/1', tier);
      expect((await store.stat('m/1')).tier).toBe(tier);
      expect(Buffer.from(await store.read('m/1')).toString()).toBe('seldom read');
    }
    for await (const { tier, tierSince } of store.list(''))
      expect({ tier, since: typeof tierSince }).toEqual({ tier: 'cool', since: 'number' });
    expect(await outcome(store.setTier!('m/2', 'cool'))).toBe('OBJECT_NOT_FOUND');
    const { account, key } = azurite;
    const blob = new ContainerClient(url.replace('azure:', ''), new StorageSharedKeyCredential(account, key)).getBlobClient('m/1');
    await blob.setAccessTier('Archive');
    expect((await store.stat('m/1')).tier).toBe('archive');
    await expect(store.read('m/1')).rejects.toMatchObject({
      code: 'OBJECT_LOCKED',
      thing: expect.stringContaining('m/1'),
      remedy: expect.stringContaining('az storage blob set-tier'),
    });
  });

  it('keeps to its prefix', async () => {
    const url = await newUrl();
    const [whole, part] = [open(url), open(`${url}/site-a`)];
    for (const name of ['m/1', 'site-a/m/2', 'site-b/m/3']) await whole.create(name, Buffer.from(name));
    await part.create('m/4', Buffer.from('4'));
    expect(await names(part)).toEqual(['m/2', 'm/4']);
    expect(Buffer.from(await part.read('m/2', { offset: -3 })).toString()).toBe('m/2');
    expect(await outcome(part.stat('m/1'))).toBe('OBJECT_NOT_FOUND');
    expect(await outcome(part.create('m/2', Buffer.from('x')))).toBe('OBJECT_EXISTS');
    await part.delete('m/2');
    expect(await names(whole)).toEqual(['m/1', 'site-a/m/4', 'site-b/m/3']);
  });

  it('tells the time by the clock of the service', async () => {
    const store = open(await newUrl());
    const before = Math.floor(Date.now() / 1000) * 1000;
    await store.create('a', Buffer.from('x'));
    const { created } = await store.stat('a');
    expect(created).toBeGreaterThanOrEqual(before);
    expect(created).toBeLessThanOrEqual(Date.now());
  });

  it('passes over blobs that are no objects of ours', async () => {
    const url = await newUrl();
    const raw = new ContainerClient(`${url.slice('azure:'.length)}?${signSas(azurite, `container-${container}`, 'rcwdl')}`);
    for (const name of ['.hidden', 'with space', 'a/.b']) await raw.getBlockBlobClient(name).upload('x', 1);
    const store = open(url);
    await store.create('a/b', Buffer.from('x'));
    expect(await names(store)).toEqual(['a/b']);
  });

  it('is not found when the container or the account is missing; no object seems to be missing then', async () => {
    const there = await newUrl();
    for (const url of [there.replace(/[^/]+$/, 'no-such-container'), there.replace(azurite.account, 'nobody')]) {
      const store = open(url);
      for (const answer of [
        () => store.create('a', Buffer.from('x')),
        () => store.read('a'),
        () => store.stat('a'),
        () => store.delete('a'),
        () => names(store),
      ])
        expect(await outcome(answer())).toBe('STORE_NOT_FOUND');
    }
    expect(() => open(there.replace(/[^/]+$/, 'ab'))).toThrow('SETTING_INVALID');
  });
});

describe('rights at Azurite', () => {
  const present = Buffer.from('present');

  /** What becomes of every request with a SAS of these rights. */
  const tryAll = async (rights: string, expiresOn?: Date): Promise<Record<string, string>> => {
    const url = await newUrl();
    const owner = open(url);
    for (const name of ['present', 'doomed']) await owner.create(name, present);
    const store = open(url, { kind: 'sas', sas: signSas(azurite, `container-${container}`, rights, expiresOn) });
    const results = {
      create: await outcome(store.create('new', Buffer.from('new'))),
      createAgain: await outcome(store.create('present', Buffer.from('other'))),
      read: await outcome(store.read('present')),
      stat: await outcome(store.stat('present')),
      missing: await outcome(store.read('missing')),
      list: await outcome(names(store)),
      delete: await outcome(store.delete('doomed')),
    };
    expect(Buffer.from(await owner.read('present')).equals(present)).toBe(true);
    expect(await outcome(owner.read('new'))).toBe(results.create === 'done' ? 'done' : 'OBJECT_NOT_FOUND');
    expect(await outcome(owner.read('doomed'))).toBe(results.delete === 'done' ? 'OBJECT_NOT_FOUND' : 'done');
    return results;
  };
  const no = 'NO_PERMISSION';

  it.each([
    [
      'append',
      'rc',
      { create: 'done', createAgain: 'OBJECT_EXISTS', read: 'done', stat: 'done', missing: 'OBJECT_NOT_FOUND', list: no, delete: no },
    ],
    [
      'maintain',
      'rcdl',
      {
        create: 'done',
        createAgain: 'OBJECT_EXISTS',
        read: 'done',
        stat: 'done',
        missing: 'OBJECT_NOT_FOUND',
        list: 'done',
        delete: 'done',
      },
    ],
    [
      'read',
      'rl',
      { create: no, createAgain: 'OBJECT_EXISTS', read: 'done', stat: 'done', missing: 'OBJECT_NOT_FOUND', list: 'done', delete: no },
    ],
    // Without the right to read nobody can tell a name that is taken from a right that is missing.
    ['create alone', 'c', { create: 'done', createAgain: no, read: no, stat: no, missing: no, list: no, delete: no }],
  ])('to %s (%s) are enough for what they are for, and for nothing else', async (_, rights, expected) => {
    expect(await tryAll(rights)).toEqual(expected);
  });

  it('that have expired are no rights', async () => {
    const results = await tryAll('rcdl', new Date(Date.now() - 1000));
    expect(new Set(Object.values(results))).toEqual(new Set([no]));
  });

  it.each(['rc', 'rcdl'])('%s do not let anybody overwrite, even without our condition; with w they would', async (rights) => {
    const url = await newUrl();
    const owner = open(url);
    await owner.create('present', present);
    const overwrite = (letters: string): Promise<unknown> =>
      new ContainerClient(`${url.slice('azure:'.length)}?${signSas(azurite, `container-${container}`, letters)}`)
        .getBlockBlobClient('present')
        .upload('other', 5);
    await expect(overwrite(rights)).rejects.toMatchObject({ statusCode: 403 });
    expect(Buffer.from(await owner.read('present')).equals(present)).toBe(true);
    await overwrite('rcw');
    expect(Buffer.from(await owner.read('present')).toString()).toBe('other');
  });

  it('of a wrong key are none, in the words of the service and without the key', async () => {
    const url = await newUrl();
    const key = Buffer.alloc(64, 'wrong').toString('base64');
    const sas = signSas({ account: azurite.account, key }, `container-${container}`, 'rcdl');
    const signature = new URLSearchParams(sas).get('sig')!;
    for (const credential of [
      { kind: 'key', key } as const,
      { kind: 'sas', sas } as const,
      { kind: 'connection-string', text: `AccountKey=${key}` } as const,
    ]) {
      const store = open(url, credential);
      for (const answer of [() => store.create('a', present), () => store.read('a'), () => store.stat('a'), () => names(store)]) {
        const error = await answer().then(
          () => Promise.reject(new Error('it was let in')),
          (reason: HoldfastError) => reason,
        );
        expect(error).toMatchObject({ code: no, why: expect.stringMatching(/the service answered Auth\w+: /) });
        const shown = [store.url, inspect(error, { depth: 10, showHidden: true }), JSON.stringify(error)].join('\n');
        for (const secret of [key, signature, encodeURIComponent(signature)]) expect(shown).not.toContain(secret);
      }
    }
  });

  it('can be renewed while the store is open', async () => {
    const url = await newUrl();
    let sas = signSas(azurite, `container-${container}`, 'rc', new Date(Date.now() - 1000));
    const store = open(url, { kind: 'sas', sas: () => sas });
    expect(await outcome(store.create('a', present))).toBe(no);
    sas = signSas(azurite, `container-${container}`, 'rc');
    expect(await outcome(store.create('a', present))).toBe('done');
  });
});
