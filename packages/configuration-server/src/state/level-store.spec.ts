import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Level } from 'level';
import { describeStateStore } from '../conformance/index.ts';
import { openLevelStore } from './level-store.ts';
import type { StateStore } from './state-store.ts';

const LIMITS = { events: 100, audit: 100, changes: 100 };

let root: string;
const places = new WeakMap<StateStore, string>();
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'holdfast-state-'));
});
afterEach(() => rm(root, { recursive: true }));

const open = async (limits = LIMITS, directory?: string): Promise<StateStore> => {
  const place = directory ?? (await mkdtemp(path.join(root, 'db-')));
  const store = await openLevelStore(place, limits);
  places.set(store, place);
  return store;
};

describeStateStore('level', {
  open,
  async reopen(store, limits) {
    await store.close();
    return open(limits, places.get(store)!);
  },
});

describe('the level store', () => {
  it('refuses what a newer version wrote, and leaves it alone', async () => {
    const directory = path.join(root, 'newer');
    const database = new Level<string, unknown>(directory, { valueEncoding: 'json' });
    await database.put('m/state', { format: 2, revision: 1 });
    await database.close();
    await expect(openLevelStore(directory, LIMITS)).rejects.toMatchObject({ code: 'STATE_VERSION_UNSUPPORTED' });
  });

  it('names a directory that it cannot use', async () => {
    await expect(openLevelStore('/dev/null/state', LIMITS)).rejects.toMatchObject({ name: 'HoldfastError' });
  });
});
