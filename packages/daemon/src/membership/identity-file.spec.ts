import { mkdir, mkdtemp, open, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { newId } from '@holdfast/protocol';
import { createTestAuthority, type TestAuthority } from '@holdfast/protocol/conformance';
import { syncDirectory } from '../state/sync-directory.ts';
import { IDENTITY_FILE, type IdentityDisk, readIdentity, storeIdentity } from './identity-file.ts';
import type { StoredIdentity } from './stored-identity.ts';

const hardware = { productUuid: 'b0a7', productSerial: '', macAddresses: ['52:54:00:00:00:01'], machineId: 'a'.repeat(32) };

describe('the identity file', () => {
  let authority: TestAuthority;
  let directory: string;
  let file: string;
  beforeAll(async () => {
    authority = await createTestAuthority();
  });
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'identity-'));
    file = path.join(directory, IDENTITY_FILE);
  });
  afterEach(() => rm(directory, { recursive: true }));

  const make = async (changes: Partial<StoredIdentity> = {}): Promise<StoredIdentity> => {
    const id = newId();
    const { key, certificateChain, authorities } = await authority.issue({ role: 'agent', id });
    const server = { host: '::1', port: 443 };
    return {
      role: 'agent',
      id,
      incarnation: 3,
      server,
      hardware,
      obtained: 1_700_000_000_000,
      key,
      certificateChain,
      authorities,
      ...changes,
    };
  };

  it('gives back what was stored', async () => {
    const identity = await make();
    await storeIdentity(directory, identity);
    expect(await readIdentity(directory)).toEqual(identity);
  });

  /** Lets the first `steps` steps through, the next one does half of its work at most, and the power is gone. */
  const failingAfter = (steps: number): { disk: IdentityDisk; done: () => number } => {
    let count = 0;
    const step = async <T>(work: () => Promise<T>, half: () => Promise<unknown> = async () => undefined): Promise<T> => {
      if (count++ < steps) return work();
      await half();
      throw new Error('the power is gone');
    };
    const disk: IdentityDisk = {
      mkdir: ((...args: Parameters<typeof mkdir>) => step(() => mkdir(...args))) as typeof mkdir,
      rename: (...args) => step(() => rename(...args)),
      syncDirectory: (...args) => step(() => syncDirectory(...args)),
      open: async (...args) => {
        const handle = await step(() => open(...args));
        const writing = handle.writeFile.bind(handle);
        handle.writeFile = (text) =>
          step(
            () => writing(text),
            () => writing(String(text).slice(0, 500)),
          );
        const syncing = handle.sync.bind(handle);
        handle.sync = () => step(syncing);
        return handle;
      },
    };
    return { disk, done: () => count };
  };

  it('is whole whenever the power goes while it is replaced, old or new, and can be replaced again', async () => {
    const [old, fresh] = [await make(), await make()];
    let [oldSeen, freshSeen] = [0, 0];
    for (let steps = 0; ; steps++) {
      await storeIdentity(directory, old);
      const { disk, done } = failingAfter(steps);
      const failure = await storeIdentity(directory, fresh, disk).catch((reason: unknown) => reason);
      const found = await readIdentity(directory);
      if (found.id === old.id) oldSeen++;
      else freshSeen++;
      expect([old, fresh]).toContainEqual(found);
      if (failure === undefined) {
        expect(found).toEqual(fresh);
        expect(done()).toBe(steps);
        break;
      }
    }
    // Were all steps before the rename, or all behind it, the loop would have shown nothing.
    expect([oldSeen > 3, freshSeen > 1]).toEqual([true, true]);
  });

  it.each<[string, (text: string, identity: StoredIdentity) => string | Promise<string>, RegExp]>([
    ['is cut short', (text) => text.slice(0, -100), /JSON/],
    ['is empty', () => '', /JSON/],
    ['is of a later form', (text) => text.replace('"form": 1', '"form": 2'), /form 2/],
    ['has lost its key', (text) => text.replace('"key"', '"kez"'), /key is missing/],
    [
      'has another key',
      async (text, { key }) => text.replace(JSON.stringify(key), JSON.stringify((await make()).key)),
      /key does not belong/,
    ],
    ['has another id', (text, { id }) => text.replace(id, newId()), /another identity/],
    ['has a bad server', (text) => text.replace('[::1]:443', 'nowhere'), /HOST:PORT/],
    [
      'has other authorities',
      async (text, { authorities }) => text.replace(JSON.stringify(authorities), JSON.stringify((await createTestAuthority()).certificate)),
      /none of its authorities/,
    ],
    ['is far too large', (text) => text + ' '.repeat(300_000), /larger/],
  ])('that %s is refused by its name', async (_what, change, words) => {
    const identity = await make();
    await storeIdentity(directory, identity);
    const before = await readFile(file, 'utf8');
    const after = await change(before, identity);
    expect(after).not.toBe(before);
    await writeFile(file, after);
    await expect(readIdentity(directory)).rejects.toMatchObject({ code: 'DAMAGED', thing: file, why: expect.stringMatching(words) });
  });

  it('is not written through a link', async () => {
    const elsewhere = await mkdtemp(path.join(tmpdir(), 'elsewhere-'));
    await symlink(elsewhere, path.join(directory, 'identity'));
    await expect(storeIdentity(directory, await make())).rejects.toThrow();
    await expect(readFile(path.join(elsewhere, 'identity.json'))).rejects.toThrow();
    await rm(elsewhere, { recursive: true });
  });
});
