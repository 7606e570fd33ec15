import { createMemoryStore, forwardStore, type ObjectStore } from '@holdfast/object-store';
import { newId } from '@holdfast/protocol';
import { KEY_SLOT_LIMIT } from './keys/key-slot.ts';
import type { VaultKey } from './keys/vault-key.ts';
import { registerMachine } from './machine.ts';
import { TEST_KEY } from './testing/open-test-vault.ts';
import { createVault, openVault } from './vault.ts';

const CHEAP = { logN: 14, r: 8, p: 1 };
const passphrase = (text: string): VaultKey => ({ kind: 'passphrase', passphrase: text, cost: CHEAP });
const keyFile = (fill: number): VaultKey => ({ kind: 'key-file', secret: Buffer.alloc(32, fill) });

const namesOf = async (store: ObjectStore): Promise<string[]> => {
  const names: string[] = [];
  for await (const { name } of store.list('')) names.push(name);
  return names;
};

/** The same objects with one changed. */
const withChanged = async (store: ObjectStore, changed: string, change: (bytes: Buffer) => Buffer): Promise<ObjectStore> => {
  const copy = createMemoryStore();
  for (const name of await namesOf(store)) {
    const bytes = Buffer.from(await store.read(name));
    await copy.create(name, name === changed ? change(bytes) : bytes);
  }
  return copy;
};

describe('vault', () => {
  it('opens with each of its keys and with no other', async () => {
    const store = createMemoryStore();
    const vault = await createVault(store, { name: 'head office', keys: [passphrase('correct horse'), TEST_KEY, keyFile(9)] });
    for (const key of [passphrase('correct horse'), TEST_KEY, keyFile(9), { kind: 'passphrase', passphrase: 'correct horse' } as const]) {
      const opened = await openVault(store, key);
      expect({ id: opened.id, name: opened.name, created: opened.created }).toEqual({
        id: vault.id,
        name: 'head office',
        created: vault.created,
      });
    }
    for (const key of [passphrase('wrong horse'), keyFile(8)])
      await expect(openVault(store, key)).rejects.toMatchObject({ code: 'VAULT_KEY_WRONG' });
  });

  it('takes a passphrase however its letters were composed', async () => {
    const store = createMemoryStore();
    await createVault(store, { name: 'x', keys: [passphrase('Zürich'.normalize('NFC'))] });
    await expect(openVault(store, passphrase('Zürich'.normalize('NFD')))).resolves.toBeDefined();
  });

  it('is created once, and only with a key', async () => {
    const store = createMemoryStore();
    await expect(createVault(store, { name: 'x', keys: [] })).rejects.toMatchObject({ code: 'SETTING_INVALID' });
    await expect(createVault(store, { name: 'x', keys: [passphrase('')] })).rejects.toMatchObject({ code: 'SETTING_INVALID' });
    await expect(createVault(store, { name: 'x', keys: [{ kind: 'key-file', secret: Buffer.alloc(31) }] })).rejects.toMatchObject({
      code: 'SETTING_INVALID',
    });
    expect(await namesOf(store)).toEqual([]);
    await createVault(store, { name: 'x', keys: [TEST_KEY] });
    await expect(createVault(store, { name: 'y', keys: [TEST_KEY] })).rejects.toMatchObject({ code: 'VAULT_EXISTS' });
  });

  it('says when there is none', async () => {
    await expect(openVault(createMemoryStore(), TEST_KEY)).rejects.toMatchObject({ code: 'VAULT_NOT_FOUND' });
  });

  it('refuses a newer format', async () => {
    const store = createMemoryStore();
    await createVault(store, { name: 'x', keys: [TEST_KEY] });
    const newer = await withChanged(store, 'vault', (bytes) => {
      bytes.writeUInt16LE(2, 8);
      return bytes;
    });
    await expect(openVault(newer, TEST_KEY)).rejects.toMatchObject({
      code: 'VAULT_VERSION_UNSUPPORTED',
      message: expect.stringContaining('version is 2'),
    });
  });

  it('tells damage of a key slot from a wrong key, whichever byte it is', async () => {
    const store = createMemoryStore();
    await createVault(store, { name: 'x', keys: [TEST_KEY] });
    const slot = (await namesOf(store)).find((name) => name.startsWith('keys/'))!;
    for (let at = 0; at < 208; at += 1) {
      const damaged = await withChanged(store, slot, (bytes) => {
        bytes[at]! ^= 1;
        return bytes;
      });
      // A version byte that says 3 is taken for what it says.
      const code = at === 8 || at === 9 ? expect.stringMatching(/DAMAGED|VAULT_VERSION_UNSUPPORTED/) : 'DAMAGED';
      await expect(openVault(damaged, TEST_KEY)).rejects.toMatchObject({ code, thing: slot });
    }
    await expect(openVault(await withChanged(store, slot, (bytes) => bytes.subarray(1)), TEST_KEY)).rejects.toMatchObject({
      code: 'DAMAGED',
    });
    const lost = await withChanged(store, slot, (bytes) => bytes);
    await lost.delete(slot);
    await expect(openVault(lost, TEST_KEY)).rejects.toMatchObject({ code: 'DAMAGED', why: 'the vault has no key slot' });
  });

  it('opens by a good slot beside a damaged one', async () => {
    const store = createMemoryStore();
    await createVault(store, { name: 'x', keys: [TEST_KEY, keyFile(9)] });
    const slots = (await namesOf(store)).filter((name) => name.startsWith('keys/'));
    const outcomes = await Promise.all(
      slots.map(async (slot) => {
        const damaged = await withChanged(store, slot, (bytes) => bytes.fill(0, 100, 110));
        return openVault(damaged, TEST_KEY).then(
          () => 'opens',
          (reason: { code: string }) => reason.code,
        );
      }),
    );
    // With the damaged slot it may be the right key: the error says that there is one.
    expect(outcomes.sort()).toEqual(['VAULT_KEY_WRONG', 'opens']);
    const damaged = await withChanged(store, slots[0]!, (bytes) => bytes.fill(0, 100, 110));
    await expect(openVault(damaged, keyFile(8))).rejects.toMatchObject({
      code: 'VAULT_KEY_WRONG',
      why: expect.stringContaining('another key slot is damaged'),
    });
  });

  it('reads of keys/ what may be a key slot, and no more of it than a slot has', async () => {
    const inner = createMemoryStore();
    await createVault(inner, { name: 'x', keys: [TEST_KEY] });
    await inner.create(`keys/${'0'.repeat(32)}`, Buffer.alloc(1_000_000));
    await inner.create('keys/notes.txt', Buffer.from('see the safe'));
    const read: [string, number | undefined][] = [];
    const store: ObjectStore = {
      ...forwardStore(inner),
      read: (name, range) => {
        if (name.startsWith('keys/')) read.push([name, range?.length]);
        return inner.read(name, range);
      },
    };
    await openVault(store, TEST_KEY);
    await expect(openVault(store, keyFile(8))).rejects.toMatchObject({ code: 'VAULT_KEY_WRONG' });
    expect(new Set(read.map(([, length]) => length))).toEqual(new Set([KEY_SLOT_LIMIT + 1]));
    expect(read.map(([name]) => name)).not.toContain('keys/notes.txt');
  });

  it('holds nothing readable: no name of vault or machine in any object or name', async () => {
    const store = createMemoryStore();
    const vault = await createVault(store, { name: 'headquarters', keys: [TEST_KEY] });
    await registerMachine(vault, { id: newId(), name: 'payroll' });
    for (const name of await namesOf(store)) {
      expect(name).toMatch(/^(vault|keys\/[0-9a-f]{32}|machines\/[0-9a-f]{32}|m\/[0-9a-f]{32}\/keys\/\d{12})$/);
      const bytes = Buffer.from(await store.read(name)).toString('latin1');
      for (const word of ['headquarters', 'payroll']) expect(bytes).not.toContain(word);
    }
  });
});

describe('machines of a vault', () => {
  it('are registered once and listed by id', async () => {
    const vault = await createVault(createMemoryStore(), { name: 'x', keys: [TEST_KEY] });
    const ids = Array.from({ length: 5 }, newId);
    for (const [i, id] of ids.entries()) expect(await registerMachine(vault, { id, name: `m${i}` })).toMatchObject({ id, name: `m${i}` });
    expect(await registerMachine(vault, { id: ids[2]!, name: 'other' })).toMatchObject({ name: 'm2' });
    const machines = await vault.machines();
    expect(machines.map(({ id }) => id)).toEqual([...ids].sort());
    expect(machines.every(({ name, id }) => name === `m${ids.indexOf(id)}`)).toBe(true);
    await expect(registerMachine(vault, { id: 'db1', name: 'db1' })).rejects.toMatchObject({ code: 'SETTING_INVALID' });
  });

  it('are registered by two at the same time without harm', async () => {
    const vault = await createVault(createMemoryStore(), { name: 'x', keys: [TEST_KEY] });
    const id = newId();
    const [a, b] = await Promise.all(['one', 'two'].map((name) => registerMachine(vault, { id, name })));
    expect(a).toEqual(b);
    expect(await vault.machines()).toEqual([a]);
  });

  it('are listed although the registration of one is damaged', async () => {
    const store = createMemoryStore();
    const vault = await createVault(store, { name: 'x', keys: [TEST_KEY] });
    const ids = [newId(), newId()].sort();
    for (const id of ids) await registerMachine(vault, { id, name: 'm' });
    const damaged = await withChanged(store, `machines/${ids[0]}`, (bytes) => {
      bytes[170]! ^= 1;
      return bytes;
    });
    const [first, second] = await (await openVault(damaged, TEST_KEY)).machines();
    expect(first).toMatchObject({ id: ids[0], name: '', damage: { code: 'DAMAGED', object: `machines/${ids[0]}` } });
    expect(second).toMatchObject({ id: ids[1], name: 'm' });
  });
});
