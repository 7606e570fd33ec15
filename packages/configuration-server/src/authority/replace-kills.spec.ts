import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Log } from '@holdfast/daemon';
import { type AccessRecord, accesses, SITE, sites, type TokenRecord, tokens } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import type { StateStore } from '../state/state-store.ts';
import { dying } from '../testing/job-program.ts';
import { type Authority, openAuthority } from './authority.ts';
import { createRotation, type Rotation } from './rotation.ts';

const log: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
const [TOOL, PERSON, TOKEN] = ['1', '2', '3'].map((digit) => digit.repeat(32)) as [string, string, string];

/** A site with a token of a tool, the session of a person, and a join token. */
const site = async (): Promise<StateStore> => {
  const store = createMemoryStore({ events: 100, audit: 100, changes: 1000 });
  await transact(store, async (transaction) => {
    transaction.put(sites, SITE, { id: '8'.repeat(32) });
    transaction.put(accesses, TOOL, { name: 'tool' } as AccessRecord);
    transaction.put(accesses, PERSON, { name: 'anna', userId: 'anna' } as AccessRecord);
    transaction.put(tokens, TOKEN, { note: '' } as TokenRecord);
  });
  return store;
};

describe('replacing an authority whose key may be known, killed on the way', () => {
  let directory: string;
  let store: StateStore;
  let before: string;

  const open = async (of: StateStore, change: (authority: Authority) => Authority = (one) => one): Promise<[Authority, Rotation]> => {
    const authority = change(await openAuthority(directory, { mayMake: false }));
    return [authority, createRotation({ store: of, authority, grace: 0, log, look: 5 })];
  };
  const isThere = async (kind: typeof accesses | typeof tokens, id: string): Promise<boolean> =>
    (await store.get(kind.key(id))) !== undefined;
  const replaced = async (): Promise<boolean> => {
    const [authority] = await open(store);
    const { fingerprint, phase } = authority;
    expect(phase).toBe('steady');
    const ended = (await store.events({ limit: 100 })).filter(({ code }) => code === 'authority-replaced');
    const all = [fingerprint !== before, !(await isThere(accesses, PERSON)), !(await isThere(tokens, TOKEN)), ended.length === 1];
    // All of it, or nothing.
    expect(new Set(all).size).toBe(1);
    if (all[0]) expect(ended[0]!.text).toContain(fingerprint);
    expect(await isThere(accesses, TOOL)).toBe(true);
    expect(JSON.parse(JSON.stringify((await store.get(sites.key(SITE)))!.data))).toEqual({ id: '8'.repeat(32) });
    return all[0]!;
  };

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-replace-'));
    before = (await openAuthority(directory)).fingerprint;
    store = await site();
  });
  afterEach(() => rm(directory, { recursive: true }));

  it.each(['before', 'after'] as const)('is not begun, or ended at the next start: %s any commit', async (when) => {
    const outcomes: boolean[] = [];
    for (let death = 0; ; death += 1) {
      const mortal = dying(store, death, when);
      const [, rotation] = await open(mortal);
      const answered = await rotation.replace('admin', 'steady').then(
        () => true,
        () => false,
      );
      const [, next] = await open(store);
      await next.finish();
      const done = await replaced();
      outcomes.push(done);
      if (answered) break;
      if (!done) continue;
      // What was there at first, for the next death.
      before = (await open(store))[0].fingerprint;
      store = await site();
    }
    // Two commits; killed before the first one, nothing was ordered.
    expect(outcomes).toEqual([when === 'after', true, true]);
  });

  it.each([false, true])(
    'is ended by the next look when its files could not be written (they were: %s), and led on by nobody meanwhile',
    async (written) => {
      let fail = true;
      const failing = (one: Authority): Authority =>
        Object.create(one, {
          replace: {
            async value(from: Parameters<Authority['replace']>[0]) {
              if (fail && !written) throw new Error('no space');
              const phase = await one.replace(from);
              if (fail) throw new Error('no space');
              return phase;
            },
          },
        }) as Authority;
      const [authority, rotation] = await open(store, failing);
      await expect(rotation.replace('admin', 'steady')).rejects.toThrow('no space');
      // Not as a matter of routine: that one would sign for the one that follows.
      if (!written) await expect(rotation.turn('admin', 'steady')).rejects.toThrow('no space');
      expect(authority.phase).toBe('steady');
      fail = false;
      const stop = new AbortController();
      const running = rotation.run(stop.signal);
      while (await isThere(accesses, PERSON)) await new Promise(setImmediate);
      stop.abort();
      await running;
      expect(await replaced()).toBe(true);
    },
  );
});
