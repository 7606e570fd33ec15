import { createMemoryStore, type ObjectStore, storeUnavailable, withFaults } from '@holdfast/object-store';
import { newId } from '@holdfast/protocol';
import { registerMachine } from '../machine.ts';
import { readHeader } from '../object-header.ts';
import { dataKeyName, keySlotName } from '../object-names.ts';
import { explore } from '../testing/explore.ts';
import { TestRemoteKey } from '../testing/remote-key.ts';
import { createVault, openVault, type Vault } from '../vault.ts';
import { addHolder, listHolders, removeHolder } from './holders.ts';
import { rotateKeys } from './key-epochs.ts';
import { rekeyVault } from './rekey.ts';
import type { VaultKey } from './vault-key.ts';

const file = (fill: number): VaultKey => ({ kind: 'key-file', secret: Buffer.alloc(32, fill) });
const passphrase: VaultKey = { kind: 'passphrase', passphrase: 'correct horse', cost: { logN: 14, r: 8, p: 1 } };

const codeOf = (opening: Promise<unknown>): Promise<string> =>
  opening.then(
    () => 'opens',
    (reason: { code: string }) => reason.code,
  );

const copyOf = async (store: ObjectStore): Promise<ObjectStore> => {
  const copy = createMemoryStore();
  for await (const { name } of store.list('')) await copy.create(name, await store.read(name));
  return copy;
};

const slotsIn = async (store: ObjectStore): Promise<string[]> => {
  const names: string[] = [];
  for await (const { name } of store.list('keys/')) names.push(name.slice('keys/'.length));
  return names;
};

describe('holders of a vault', () => {
  let store: ObjectStore;
  let vault: Vault;
  beforeEach(async () => {
    store = createMemoryStore();
    vault = await createVault(store, { name: 'v', keys: [file(1)] });
  });

  it('are added, listed with what anybody may know of them, and removed', async () => {
    const remote = new TestRemoteKey('https://acme.vault.azure.net/keys/holdfast');
    await addHolder(vault, passphrase, { label: 'Ana, safe 3' });
    const added = await addHolder(vault, { kind: 'key-vault', key: remote }, { label: 'process servers' });
    const holders = await listHolders(vault);
    expect(holders.map(({ kind, label, own, state, generation }) => ({ kind, label, own, state, generation }))).toEqual([
      { kind: 'key-file', label: '', own: true, state: 'holder', generation: 1 },
      { kind: 'passphrase', label: 'Ana, safe 3', own: false, state: 'holder', generation: 1 },
      { kind: 'key-vault', label: 'process servers', own: false, state: 'holder', generation: 1 },
    ]);
    expect(holders[1]!.cost).toEqual({ logN: 14, r: 8, p: 1 });
    expect(holders[2]).toMatchObject({ id: added.id, keyId: remote.id, keyVersion: 'v1' });
    for (const key of [file(1), passphrase, { kind: 'key-vault', key: remote } as const])
      expect((await openVault(store, key)).id).toBe(vault.id);

    await removeHolder(vault, holders[1]!.id);
    expect(await codeOf(openVault(store, passphrase))).toBe('VAULT_KEY_WRONG');
    expect(await slotsIn(store)).not.toContain(holders[1]!.id);
    expect((await listHolders(vault)).map(({ id }) => id)).toEqual([holders[0]!.id, holders[2]!.id]);
    await expect(removeHolder(vault, newId())).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
    // Twice is as good as once.
    await removeHolder(vault, holders[1]!.id);
  });

  it('say nothing of people to who has no key', async () => {
    await addHolder(vault, file(2), { label: 'Ana Example' });
    for await (const { name } of store.list('')) expect(Buffer.from(await store.read(name)).toString('latin1')).not.toContain('Ana');
  });

  it('the last one stays, and so does the one that opened the vault', async () => {
    await expect(removeHolder(vault, vault.slotId)).rejects.toMatchObject({ code: 'VAULT_LAST_HOLDER' });
    await addHolder(vault, file(2));
    await expect(removeHolder(vault, vault.slotId)).rejects.toMatchObject({
      code: 'SETTING_INVALID',
      why: expect.stringContaining('opened with this key'),
    });
    const other = await openVault(store, file(2));
    await removeHolder(other, vault.slotId);
    expect(await codeOf(openVault(store, file(1)))).toBe('VAULT_KEY_WRONG');
    await expect(removeHolder(other, other.slotId)).rejects.toMatchObject({ code: 'VAULT_LAST_HOLDER' });
    // What was opened before can read on, and change nothing.
    await expect(addHolder(vault, file(3))).rejects.toMatchObject({ code: 'VAULT_KEY_WRONG', why: expect.stringContaining('taken back') });
    expect(await codeOf(openVault(store, file(3)))).not.toBe('INTERNAL');
  });

  it('a slot that was taken back opens nothing when somebody puts it back', async () => {
    const { id, slot } = await addHolder(vault, file(2));
    await removeHolder(vault, id);
    await store.create(keySlotName(id), slot);
    await expect(openVault(store, file(2))).rejects.toMatchObject({ code: 'VAULT_KEY_WRONG', why: expect.stringContaining('taken back') });
    expect((await listHolders(vault)).find((holder) => holder.id === id)).toMatchObject({ state: 'void' });
    // The next change sweeps it away.
    await addHolder(vault, file(3));
    expect(await slotsIn(store)).not.toContain(id);
  });

  it('a copy of a slot opens a vault that lost all of its own', async () => {
    const { slot } = await addHolder(vault, file(2), { label: 'kit' });
    for (const id of await slotsIn(store)) await store.delete(keySlotName(id));
    await expect(openVault(store, file(2))).rejects.toMatchObject({ code: 'DAMAGED', why: 'the vault has no key slot' });
    const opened = await openVault(store, file(2), { slots: [slot] });
    expect(opened.id).toBe(vault.id);
    expect((await listHolders(opened)).map(({ state }) => state)).toEqual(['missing', 'missing']);
  });

  it('a key service is asked about slots of the own key only, by the version that wrapped', async () => {
    const [mine, foreign] = [new TestRemoteKey('https://mine/keys/a'), new TestRemoteKey('https://evil/keys/a')];
    await addHolder(vault, { kind: 'key-vault', key: foreign });
    await addHolder(vault, { kind: 'key-vault', key: mine });
    mine.rotate();
    await openVault(store, { kind: 'key-vault', key: mine });
    expect([mine.asked, foreign.asked]).toEqual([['v1'], []]);
    await addHolder(vault, { kind: 'key-vault', key: mine });
    expect((await listHolders(vault)).filter(({ keyId }) => keyId === mine.id).map(({ keyVersion }) => keyVersion)).toEqual(['v1', 'v2']);
  });

  it('a vault that somebody put in the place of this one is refused by its fingerprint', async () => {
    const other = await createVault(createMemoryStore(), { name: 'v', keys: [file(1)] });
    expect((await openVault(store, file(1), { fingerprint: vault.fingerprint })).fingerprint).toBe(vault.fingerprint);
    await expect(openVault(other.store, file(1), { fingerprint: vault.fingerprint })).rejects.toMatchObject({ code: 'IDENTITY_MISMATCH' });
  });

  it('a slot with the root key of somebody else does not keep anybody out', async () => {
    const attacker = await createVault(createMemoryStore(), { name: 'v', keys: [file(1)] });
    const { slot } = await addHolder(Object.assign(attacker, { id: vault.id }), file(1));
    await store.create(keySlotName('0'.repeat(32)), slot);
    await store.create(keySlotName(Buffer.from(slot.subarray(32, 48)).toString('hex')), slot);
    expect((await openVault(store, file(1))).fingerprint).toBe(vault.fingerprint);
  });
});

describe('two changes of the holders at the same time', () => {
  /** Two holders that each take the other one back, in every order a store can serve them. */
  it('never leave a vault that nobody can open', async () => {
    const base = createMemoryStore();
    const first = await createVault(base, { name: 'v', keys: [file(1), file(2)] });
    const second = await openVault(base, file(2));
    const outcomes = new Set<string>();
    const { orders, violation } = await explore(
      (inner) => {
        const ended: string[] = [];
        return {
          isContested: (name) => name.startsWith('holders/'),
          begin: async (storeOf) => {
            const act = (actor: string, vault: Vault, other: Vault): void =>
              void codeOf(removeHolder({ ...vault, store: storeOf(actor) }, other.slotId)).then((code) => ended.push(`${actor} ${code}`));
            act('first', first, second);
            act('second', second, first);
          },
          end: async () => {
            const opens = [await codeOf(openVault(inner, file(1))), await codeOf(openVault(inner, file(2)))];
            outcomes.add(ended.sort().join(', '));
            return opens.filter((code) => code === 'opens').length === 1 ? undefined : `${opens} after ${ended}`;
          },
        };
      },
      () => copyOf(base),
    );
    expect(violation).toBeUndefined();
    expect(orders).toBeGreaterThan(3);
    expect(outcomes).toEqual(new Set(['first VAULT_KEY_WRONG, second opens', 'first opens, second VAULT_KEY_WRONG']));
  });

  it('are both made when they agree', async () => {
    const store = createMemoryStore();
    const vault = await createVault(store, { name: 'v', keys: [file(1)] });
    await Promise.all([2, 3, 4, 5].map((fill) => addHolder(vault, file(fill), { label: `${fill}` })));
    expect((await listHolders(vault)).map(({ label }) => label).sort()).toEqual(['', '2', '3', '4', '5']);
  });

  it('of which one is a new root key: the other one is refused, or is in it', async () => {
    const base = createMemoryStore();
    const first = await createVault(base, { name: 'v', keys: [file(1)] });
    const { violation, orders } = await explore(
      (inner) => {
        let added = '';
        return {
          isContested: (name) => name.startsWith('holders/'),
          begin: async (storeOf) => {
            const one = await openVault(inner, file(1));
            const two = await openVault(inner, file(1));
            void codeOf(rekeyVault({ ...one, store: storeOf('one') }, [{ key: file(7) }]));
            void codeOf(addHolder({ ...two, store: storeOf('two') }, file(2))).then((code) => (added = code));
          },
          end: async () => {
            if ((await codeOf(openVault(inner, file(7)))) !== 'opens') return 'the new key does not open it';
            for (const old of [file(1), file(2)]) if ((await codeOf(openVault(inner, old))) === 'opens') return 'an old key opens it';
            return added === 'opens' || added === 'VAULT_KEY_WRONG' ? undefined : added;
          },
        };
      },
      () => copyOf(base),
    );
    expect(first.id).toBeDefined();
    expect(violation).toBeUndefined();
    expect(orders).toBeGreaterThan(1);
  });
});

describe('a new root key', () => {
  it('opens what was written before; older keys open nothing', async () => {
    const store = createMemoryStore();
    const vault = await createVault(store, { name: 'v', keys: [file(1), passphrase] });
    const machine = await registerMachine(vault, { id: newId(), name: 'db1' });
    const old = await openVault(store, file(1));
    await rekeyVault(vault, [{ key: file(2), label: 'new' }]);
    const [opened] = [await openVault(store, file(2))];
    expect({ id: opened.id, name: opened.name, fingerprint: opened.fingerprint }).toEqual({
      id: vault.id,
      name: 'v',
      fingerprint: vault.fingerprint,
    });
    expect(await opened.machines()).toEqual([machine]);
    expect(await opened.keys.newestEpoch(machine.id)).toBe(2);
    for (const key of [file(1), passphrase]) expect(await codeOf(openVault(store, key))).toBe('VAULT_KEY_WRONG');
    expect(await slotsIn(store)).toEqual([opened.slotId]);
    // Who had it open reads what was there, and neither reads nor writes what comes.
    expect((await old.keys.keyOf(machine.id, 1)).length).toBe(32);
    await expect(old.keys.keyOf(machine.id, 2)).rejects.toMatchObject({ code: 'VAULT_KEY_WRONG' });
    const second = await registerMachine(opened, { id: newId(), name: 'db2' });
    const key = dataKeyName(second.id, 1);
    expect(readHeader(Buffer.from(await store.read(key)), key).rootGeneration).toBe(2);

    await rekeyVault(await openVault(store, file(2)), [{ key: file(3) }, { key: passphrase }]);
    const third = await openVault(store, passphrase);
    expect((await third.machines()).map(({ name }) => name).sort()).toEqual(['db1', 'db2']);
    expect(await third.keys.newestEpoch(machine.id)).toBe(3);
    expect((await listHolders(third)).map(({ generation, state }) => [generation, state])).toEqual([
      [3, 'holder'],
      [3, 'holder'],
    ]);
  });

  it('is taken up by who has the vault open and is a holder of it too', async () => {
    const store = createMemoryStore();
    const remote: VaultKey = { kind: 'key-vault', key: new TestRemoteKey('https://a/keys/b') };
    const vault = await createVault(store, { name: 'v', keys: [file(1), remote] });
    const { id } = await registerMachine(vault, { id: newId(), name: 'db1' });
    const server = await openVault(store, remote);
    await rekeyVault(vault, [{ key: file(2) }, { key: remote }]);
    expect((await server.keys.keyOf(id, 2)).length).toBe(32);
    expect(server.keys.rootGeneration).toBe(2);
  });

  it('keeps the keys of machines that are registered by who does not know of it from who had the old one, whenever it comes', async () => {
    const under = async (store: ObjectStore, machineId: string, epoch: number) =>
      readHeader(Buffer.from(await store.read(dataKeyName(machineId, epoch))), '').rootGeneration ?? 1;
    let finished = false;
    for (let at = 0; !finished; at += 1) {
      const store = createMemoryStore();
      const vault = await createVault(store, { name: 'v', keys: [file(1)] });
      let key = file(1);
      let requests = Number.NEGATIVE_INFINITY;
      const rekeying: ObjectStore = new Proxy(store, {
        get: (target, name: 'create' | 'read' | 'stat') => {
          const method = target[name].bind(target) as (...parameters: unknown[]) => unknown;
          if (!['create', 'read', 'stat'].includes(name)) return method;
          return async (...parameters: unknown[]) => {
            requests += 1;
            if (requests - 1 === at) {
              await rekeyVault(vault, [{ key: file(2) }]);
              key = file(2);
            }
            return method(...parameters);
          };
        },
      });
      const server = await openVault(rekeying, async () => key);
      requests = 0;
      const { id } = await registerMachine(server, { id: newId(), name: 'db1' });
      finished = key.kind === 'key-file' && key.secret[0] === 1;
      if (finished) {
        expect(at).toBeGreaterThan(3);
        break;
      }
      const newest = await vault.keys.newestEpoch(id);
      expect([at, await under(store, id, newest)]).toEqual([at, 2]);
      if (at === 0) expect(await under(store, id, 1)).toBe(2);
      expect(await server.keys.keyOf(id, newest)).toHaveLength(32);
    }
  });

  it('survives the loss of any one object that tells the older root keys', async () => {
    const store = createMemoryStore();
    const vault = await createVault(store, { name: 'v', keys: [file(1)] });
    await rekeyVault(vault, [{ key: file(2) }]);
    for (const version of ['1', '2'])
      for (const at of [9, 11, 12, 20, 60, 100, 150, 170]) {
        const name = `holders/00000000000${version}`;
        const flipped = createMemoryStore();
        for await (const object of store.list('')) {
          const bytes = Buffer.from(await store.read(object.name));
          if (object.name === name) bytes[at]! ^= 1;
          await flipped.create(object.name, bytes);
        }
        const outcome = await codeOf(openVault(flipped, file(2)));
        // A header that names another root key, or a newer format, is taken for what it says.
        const isTrusted = version === '2' && [9, 11, 12].includes(at);
        expect([version, at, outcome]).toEqual([
          version,
          at,
          isTrusted ? expect.stringMatching(/VAULT_(KEY_WRONG|VERSION_UNSUPPORTED)/) : 'opens',
        ]);
      }
  });
});

describe('killed between any two requests', () => {
  const killed = storeUnavailable('store', 'the process was killed here');

  /** Runs a change with a store that ends after so many requests, the last of them carried out or not, until it is no longer interrupted. */
  const killEverywhere = async (
    change: (vault: Vault) => Promise<unknown>,
    judge: (store: ObjectStore, made: string) => Promise<void>,
  ): Promise<number> => {
    const base = createMemoryStore();
    const made = await createVault(base, { name: 'v', keys: [file(1), file(2)] });
    const machine = await registerMachine(made, { id: newId(), name: 'db1' });
    for (let requests = 0; ; requests += 1)
      for (const effect of ['before', 'after'] as const) {
        const inner = await copyOf(base);
        let began: number | undefined;
        let reached = false;
        const store = withFaults(inner, ({ index }) => {
          if (began === undefined || index < began + requests) return undefined;
          reached = true;
          return index === began + requests ? { [effect]: killed } : { before: killed };
        });
        let index = 0;
        const counted = withFaults(store, (call) => {
          index = call.index;
          return undefined;
        });
        const vault = await openVault(counted, file(1));
        began = index + 1;
        const outcome = await codeOf(change(vault));
        expect(outcome).toBe(reached ? 'STORE_UNAVAILABLE' : 'opens');
        await judge(inner, machine.id);
        if (!reached) return requests;
      }
  };

  const opening = async (store: ObjectStore, keys: readonly VaultKey[]): Promise<boolean[]> => {
    const opens: boolean[] = [];
    for (const key of keys) {
      const code = await codeOf(openVault(store, key));
      expect(['opens', 'VAULT_KEY_WRONG']).toContain(code);
      opens.push(code === 'opens');
    }
    return opens;
  };

  it('an added holder is one or is none, and nobody else is shut out', async () => {
    const steps = await killEverywhere(
      (vault) => addHolder(vault, file(3)),
      async (store) => {
        expect((await opening(store, [file(1), file(2)])).every(Boolean)).toBe(true);
        const vault = await openVault(store, file(1));
        await addHolder(vault, file(4));
        expect(await opening(store, [file(4)])).toEqual([true]);
      },
    );
    expect(steps).toBeGreaterThan(4);
  });

  it('a removed holder is one or is none, and the next change finishes', async () => {
    let outcomes = '';
    const steps = await killEverywhere(
      async (vault) => removeHolder(vault, (await listHolders(vault)).find(({ own }) => !own)!.id),
      async (store) => {
        const [own, other] = await opening(store, [file(1), file(2)]);
        expect(own).toBe(true);
        outcomes += other ? 'o' : 'x';
        const vault = await openVault(store, file(1));
        await rotateKeys(vault);
        if (!other) expect(await slotsIn(store)).toEqual([vault.slotId]);
      },
    );
    expect(steps).toBeGreaterThan(5);
    // First the holder is there, from one request on he is not.
    expect(outcomes).toMatch(/^o+x+$/);
  });

  it('a new root key is in force or is not: there is always a key that opens, and data that is read', async () => {
    let outcomes = '';
    const steps = await killEverywhere(
      (vault) => rekeyVault(vault, [{ key: file(8) }, { key: file(9) }]),
      async (store, machineId) => {
        const opens = await opening(store, [file(1), file(2), file(8), file(9)]);
        expect([
          [true, true, false, false],
          [false, false, true, true],
        ]).toContainEqual(opens);
        outcomes += opens[0] ? 'o' : 'n';
        const vault = await openVault(store, file(opens[0] ? 1 : 8));
        expect((await vault.machines()).map(({ name }) => name)).toEqual(['db1']);
        expect((await vault.keys.keyOf(machineId, await vault.keys.newestEpoch(machineId))).length).toBe(32);
        // Whatever was left undone is done by the next change.
        await addHolder(vault, file(5));
        const epoch = await vault.keys.newestEpoch(machineId);
        const key = dataKeyName(machineId, epoch);
        expect(readHeader(Buffer.from(await store.read(key)), key).rootGeneration ?? 1).toBe(vault.keys.rootGeneration);
        expect(
          (await listHolders(vault))
            .filter(({ state }) => state !== 'void')
            .every(({ generation }) => generation === vault.keys.rootGeneration),
        ).toBe(true);
        expect(await opening(store, [file(5)])).toEqual([true]);
      },
    );
    expect(steps).toBeGreaterThan(10);
    expect(outcomes).toMatch(/^o+n+$/);
  });

  it('a rotation leaves a newest data key that can be read', async () => {
    await killEverywhere(
      (vault) => rotateKeys(vault),
      async (store, machineId) => {
        const vault = await openVault(store, file(2));
        expect((await vault.keys.keyOf(machineId, await vault.keys.newestEpoch(machineId))).length).toBe(32);
      },
    );
  });
});
