import { cp, mkdtemp, readdir, rename, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openStore } from '@holdfast/object-store';
import { newId } from '@holdfast/protocol';
import { createVault, readKeyFile, registerMachine, writeKeyFile } from '@holdfast/vault';
import { createEvents } from '../control/events.ts';
import { vaultReports } from '../control/vault-reports.ts';
import { createPlaces, locationOf, type Places } from './place-of.ts';
import { openVaultIdentities, type VaultIdentities } from './vault-identities.ts';
import { createVaults, type Vaults } from './vaults.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent } as never;

describe('vaults of the settings', () => {
  let directory: string;
  let opened: Vaults[] = [];
  let keyFile: string;
  const at = (folder: string): string => `file:${path.join(directory, folder)}`;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-vaults-'));
    keyFile = path.join(directory, 'key');
    await writeKeyFile(keyFile);
  });
  afterEach(async () => {
    await Promise.all(opened.map((vaults) => vaults.close()));
    opened = [];
    await rm(directory, { recursive: true });
  });

  const make = async (folder: string): Promise<string> => {
    const vault = await createVault(await openStore(at(folder)), { name: folder, keys: [await readKeyFile(keyFile)] });
    await vault.close();
    return vault.id;
  };

  /** A start of the program with these settings: names, and folders. */
  const start = async (
    folders: Readonly<Record<string, string>>,
    places?: Places,
  ): Promise<{ vaults: Vaults; identities: VaultIdentities }> => {
    const urls = Object.fromEntries(Object.entries(folders).map(([name, folder]) => [name, at(folder)]));
    const identities = await openVaultIdentities(Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, locationOf(url)])), {
      stateDirectory: directory,
      log: silent,
    });
    const settings = Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, { url, keyFile }]));
    const vaults = createVaults({
      settings: settings as never,
      identities,
      requests: 4,
      log: silent,
      health: { check: () => undefined } as never,
      events: createEvents(),
      ...(places && { places }),
    });
    opened.push(vaults);
    return { vaults, identities };
  };

  it('are found by their ids whatever they are called, also when two have changed names', async () => {
    const [office, attic] = [await make('one'), await make('two')];
    const first = await start({ office: 'one', attic: 'two' });
    expect((await first.vaults.open('office')).id).toBe(office);
    await first.vaults.look();
    const swapped = await start({ attic: 'one', office: 'two' });
    expect((await swapped.vaults.open(office)).store.url).toBe(at('one'));
    expect((await swapped.vaults.open(attic)).store.url).toBe(at('two'));
    expect(swapped.vaults.standings().map(({ problem }) => problem)).toEqual([undefined, undefined]);
    expect(swapped.vaults.maySame('attic', office)).toBe(true);
    expect(swapped.vaults.maySame('office', office)).toBe(false);
  });

  it('are not used where a name denotes another one than the one it denoted, until nobody needs that any more', async () => {
    const [office, other] = [await make('one'), await make('two')];
    const first = await start({ office: 'one' });
    await first.vaults.look();
    const replaced = await start({ office: 'two' });
    await replaced.vaults.look();
    await expect(replaced.vaults.open(office)).rejects.toMatchObject({
      code: 'VAULT_NOT_HELD',
      message: expect.stringContaining('office denotes another'),
    });
    await expect(replaced.vaults.open('office')).rejects.toMatchObject({
      code: 'VAULT_NOT_HELD',
      message: expect.stringContaining(office),
    });
    expect(vaultReports(replaced.vaults, [])).toMatchObject([{ name: 'office', state: 4, problemCode: 'VAULT_NOT_HELD' }]);
    // By its own id it is meant.
    expect((await replaced.vaults.open(other)).id).toBe(other);
    replaced.identities.forgetBut(new Set([office]));
    await expect(replaced.vaults.open('office')).rejects.toMatchObject({ code: 'VAULT_NOT_HELD' });
    replaced.identities.forgetBut(new Set());
    expect((await replaced.vaults.open('office')).id).toBe(other);
    // The control: nothing was ever written there.
    expect((await readdir(path.join(directory, 'two'))).toSorted()).toEqual(['.incoming', 'keys', 'vault']);
  });

  it('are not taken for what is in their place now, from one start to the next or while they are open', async () => {
    const [office] = [await make('one'), await make('two')];
    const swap = async (): Promise<void> => {
      await rename(path.join(directory, 'one'), path.join(directory, 'away'));
      await rename(path.join(directory, 'two'), path.join(directory, 'one'));
      await rename(path.join(directory, 'away'), path.join(directory, 'two'));
    };
    const { vaults } = await start({ office: 'one' });
    await vaults.look();
    expect((await vaults.open(office)).id).toBe(office);
    await swap();
    // What is there was believed to be it, and is looked at before anything is done with it.
    const next = await start({ office: 'one' });
    await expect(next.vaults.open(office)).rejects.toMatchObject({ code: 'VAULT_NOT_HELD' });
    const before = await vaults.open(office);
    const { store } = before;
    await vaults.look();
    await expect(vaults.open(office)).rejects.toMatchObject({ code: 'VAULT_NOT_HELD' });
    await expect(vaults.open('office')).rejects.toMatchObject({ code: 'VAULT_NOT_HELD' });
    // Whoever had it cannot go on with it.
    await expect(registerMachine(before, { id: newId(), name: 'm' })).rejects.toThrow();
    await expect(store.create('m/x', Uint8Array.of(1))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    const first = store.list('')[Symbol.asyncIterator]().next();
    await expect(first).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await swap();
    await vaults.look();
    expect((await vaults.open(office)).id).toBe(office);
  });

  it('are found by their ids also where settings call another one by the id of one', async () => {
    const [office, other] = [await make('one'), await make('two')];
    const first = await start({ [office]: 'one' });
    await first.vaults.look();
    expect((await first.vaults.open(office)).id).toBe(office);
    const replaced = await start({ [office]: 'two' });
    await replaced.vaults.look();
    await expect(replaced.vaults.open(office)).rejects.toMatchObject({ code: 'VAULT_NOT_HELD' });
    expect(replaced.vaults.standings()).toMatchObject([{ id: other, previous: office }]);
    expect(replaced.vaults.has(office)).toBe(false);
  });

  it('are left by all who use them when one finds another there', async () => {
    const office = await make('one');
    const other = await make('two');
    const { vaults, identities } = await start({ office: 'one' });
    const keeping = createVaults({
      settings: { office: { url: at('one'), keyFile } } as never,
      identities,
      requests: 4,
      log: silent,
      health: { check: () => undefined } as never,
      events: createEvents(),
      user: 'keeper',
    });
    opened.push(keeping);
    await vaults.look();
    const kept = await keeping.open(office);
    await rename(path.join(directory, 'one'), path.join(directory, 'away'));
    await rename(path.join(directory, 'two'), path.join(directory, 'one'));
    await vaults.look();
    await expect(keeping.open(office)).rejects.toMatchObject({ code: 'VAULT_NOT_HELD' });
    expect((await keeping.open(other)).id).toBe(other);
    await expect(kept.store.delete('keys')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  it('are the same elsewhere, and tell that the place is another one', async () => {
    const id = await make('one');
    const first = await start({ office: 'one' });
    await first.vaults.look();
    const [before] = first.vaults.standings();
    // A folder that has another name, or is mounted elsewhere, is the same place; a copy is not, however exact.
    await rename(path.join(directory, 'one'), path.join(directory, 'renamed'));
    const renamed = await start({ office: 'renamed' });
    await renamed.vaults.look();
    expect(renamed.vaults.standings()).toMatchObject([{ id, location: at('renamed'), place: before!.place }]);
    await cp(path.join(directory, 'renamed'), path.join(directory, 'copy'), { recursive: true, preserveTimestamps: true });
    const copied = await start({ office: 'copy' });
    await copied.vaults.look();
    expect(copied.vaults.standings()[0]).toMatchObject({ id, isOpen: true });
    expect(copied.vaults.standings()[0]!.place).not.toBe(before!.place);
  });

  it.each([
    ['anew each time', (look: number) => `${look}`],
    ['in turn', (look: number) => `${look % 2}`],
  ])('come to rest where a file system tells of files by numbers that it makes up %s, over restarts too', async (_, mark) => {
    await make('one');
    let looks = 0;
    const told = new Set<string>();
    let changes = 0;
    let last: string | undefined;
    const run = async (times: number): Promise<void> => {
      const { vaults } = await start(
        { office: 'one' },
        createPlaces(async () => mark(looks++)),
      );
      for (let look = 0; look < times; look += 1) {
        await vaults.look();
        const { place, isOpen } = vaults.standings()[0]!;
        expect(isOpen).toBe(true);
        if (last !== undefined && place !== last) changes += 1;
        last = place;
        told.add(place);
      }
      await vaults.close();
    };
    await run(10);
    expect(changes).toBeLessThanOrEqual(3);
    const before = changes;
    await run(10);
    expect(changes).toBe(before);
    // The control: what else is put there, of another time, is noticed all the same.
    const later = new Date(Date.now() + 60_000);
    await utimes(path.join(directory, 'one', 'vault'), later, later);
    await run(1);
    expect(changes).toBe(before + 1);
  });

  it('are known while they do not answer, by what was seen before', async () => {
    const id = await make('one');
    await (await start({ office: 'one' })).vaults.look();
    await rename(path.join(directory, 'one'), path.join(directory, 'away'));
    const { vaults } = await start({ office: 'one' });
    await vaults.look();
    expect(vaultReports(vaults, [])).toMatchObject([{ name: 'office', state: 2, vaultId: Uint8Array.from(Buffer.from(id, 'hex')) }]);
    await expect(vaults.open(id)).rejects.toMatchObject({ code: 'VAULT_NOT_FOUND' });
    await rename(path.join(directory, 'away'), path.join(directory, 'one'));
    await vaults.look();
    expect(vaultReports(vaults, [])).toMatchObject([{ name: 'office', state: 1, problemCode: '' }]);
  });

  it('tell of a key that does not fit', async () => {
    await make('one');
    await rm(keyFile);
    await writeKeyFile(keyFile);
    const { vaults } = await start({ office: 'one' });
    await vaults.look();
    expect(vaultReports(vaults, [])).toMatchObject([{ state: 3, problemCode: 'VAULT_KEY_WRONG' }]);
  });
});
