import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { matches, secretId } from './enrolment/tokens.ts';
import { ADMINISTRATOR_FILE, ensureInstallation } from './first-start.ts';
import { find } from './records/kind.ts';
import { accesses } from './records/kinds.ts';
import { createMemoryStore } from './state/memory-store.ts';
import type { StateStore } from './state/state-store.ts';

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined, child: () => quiet };
const LIMITS = { events: 10, audit: 10, changes: 1000 };

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-first-'));
});
afterEach(() => rm(directory, { recursive: true }));

const administrator = async (store: StateStore): Promise<string | undefined> => {
  const secret = (await readFile(path.join(directory, ADMINISTRATOR_FILE), 'utf8')).trim();
  const access = await find(store, accesses, secretId(secret));
  return access !== undefined && matches(secret, access.value.hash) ? access.value.role : undefined;
};

describe('the first start', () => {
  it('makes an installation once', async () => {
    const store = createMemoryStore(LIMITS);
    const id = await ensureInstallation(store, directory, quiet);
    const made = store.revision();
    expect(await administrator(store)).toBe('administrator');
    expect((await stat(path.join(directory, ADMINISTRATOR_FILE))).mode & 0o777).toBe(0o600);
    expect(await ensureInstallation(store, directory, quiet)).toBe(id);
    expect(store.revision()).toBe(made);
  });

  it('that was interrupted before its commit begins anew, with a token that works', async () => {
    const store = createMemoryStore(LIMITS);
    const dying: StateStore = { ...store, commit: () => Promise.reject(new Error('killed')) };
    await expect(ensureInstallation(dying, directory, quiet)).rejects.toThrow('killed');
    await ensureInstallation(store, directory, quiet);
    expect(await administrator(store)).toBe('administrator');
    expect((await store.list({ prefix: accesses.prefix, limit: 10 })).length).toBe(1);
  });
});
