import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { encodeWhereabouts, readWhereabouts, whereaboutsText } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import { putControlAddresses, readControlAddresses } from '@holdfast/vault';
import { type Authority, openAuthority } from '../authority/authority.ts';
import { laterAuthorities, tellVault, tellVaults } from './tell-vault.ts';

describe('telling vaults where a server will be', () => {
  let stateDirectory: string;
  let authority: Authority;
  let store: ObjectStore;
  let lines: string[];
  beforeEach(async () => {
    stateDirectory = await mkdtemp(path.join(tmpdir(), 'holdfast-tell-'));
    authority = await openAuthority(path.join(stateDirectory, 'authority'));
    store = createMemoryStore();
    lines = [];
  });
  afterEach(() => rm(stateDirectory, { recursive: true }));

  const listen = (port: number) => ({
    listen: { address: { host: '0.0.0.0', port }, names: ['cs.example'], announced: undefined, addresses: [] },
  });
  const tell = (port: number, named: { host: string; port: number }[], stores = [store]) =>
    tellVaults({ stores, stateDirectory, settings: listen(port) as never, named, print: (line) => lines.push(line) });
  const told = async () => {
    const pem = (await authority.issueOwn('a'.repeat(32), ['x'], 60_000)).authorities;
    return (await readControlAddresses(store)).map(({ content }) => readWhereabouts(content, pem));
  };

  it('says what somebody named, or else the settings; a port that is not known yet is told to nobody', async () => {
    await tell(0, []);
    expect(await told()).toEqual([]);
    expect(lines.join()).toContain('--address');
    await tell(8443, []);
    expect(await told()).toMatchObject([{ addresses: ['cs.example:8443'], authority: authority.fingerprint }]);
    await tell(8443, [{ host: '10.0.0.9', port: 443 }]);
    expect(await told()).toMatchObject([{ addresses: ['10.0.0.9:443'] }]);
  });

  it('counts as newer than what was told before, also where the clock of the lost server was ahead', async () => {
    const before = { addresses: ['old.example:443'], made: Date.now() + 3_600_000 };
    const content = encodeWhereabouts(before, await authority.sign(whereaboutsText(before)));
    await putControlAddresses(store, { authority: authority.fingerprint, content });
    await tellVault(store, authority, ['new.example:443']);
    expect(await told()).toMatchObject([{ addresses: ['new.example:443'], made: before.made + 1 }]);
  });

  it('goes on where a vault may only be read, and says so', async () => {
    const error = new HoldfastError('NO_PERMISSION', { thing: 'it', why: 'reading only', remedy: 'none' });
    const readOnly = Object.create(store, { create: { value: () => Promise.reject(error) } }) as ObjectStore;
    await tell(443, [], [readOnly, store]);
    expect(lines).toEqual([expect.stringContaining('could not be told'), expect.stringContaining('was told')]);
    expect(await told()).toHaveLength(1);
  });

  it('notices another authority that told a vault after a backup was made, and no earlier one, nor its own', async () => {
    const say = (by: string, made: number) =>
      putControlAddresses(store, { authority: by, content: encodeWhereabouts({ addresses: ['x:1'], made }, new Uint8Array(64)) });
    const later = (stores = [store]) => laterAuthorities({ stores, stateDirectory, made: 1000, print: (line) => lines.push(line) });
    await say(authority.fingerprint, 2000);
    await say('a'.repeat(64), 900);
    expect(await later()).toEqual([]);
    await say('b'.repeat(64), 1001);
    await putControlAddresses(store, { authority: 'c'.repeat(64), content: new Uint8Array([1]) });
    expect(await later()).toEqual(['b'.repeat(64)]);
    const error = new HoldfastError('NO_PERMISSION', { thing: 'it', why: 'nothing is allowed', remedy: 'none' });
    const closed = Object.create(store, {
      list: {
        value: () => {
          throw error;
        },
      },
    }) as ObjectStore;
    expect(await later([closed, store])).toEqual(['b'.repeat(64)]);
    expect(lines).toEqual([expect.stringContaining('could not be asked')]);
  });
});
