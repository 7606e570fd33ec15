import { HoldfastError } from '@holdfast/errors';
import { createMemoryStore, type ObjectStore, withFaults } from '@holdfast/object-store';
import { newId } from '@holdfast/protocol';
import { newestControlBackups, pruneControlBackups, putControlBackup, readControlBackup } from './control-backups.ts';
import { copyVault } from './copy-vault.ts';
import { throughStore } from './testing/open-test-vault.ts';
import { WriterBench } from './testing/writer-bench.ts';

const SITE = newId();
const PART = 4 * 1024 * 1024;

/** Of this process server. */
const OWN = new Set(Array.from({ length: 100 }, (_, number) => number));

describe('backups of a configuration server in a vault that is copied', () => {
  let bench: WriterBench;
  let target: ObjectStore;
  beforeEach(async () => {
    bench = await WriterBench.create();
    target = createMemoryStore();
    for (let number = 1; number <= 3; number += 1) await put(number);
  });
  afterEach(() => bench.close());

  const put = (number: number) =>
    putControlBackup(
      bench.store,
      SITE,
      (async function* () {
        yield Buffer.alloc(PART + 1000, number);
      })(),
    );
  /** The number of the newest backup, read whole; 0 for none. */
  const readNewest = async (store: ObjectStore): Promise<number> => {
    const [backup] = await newestControlBackups(store);
    if (backup === undefined) return 0;
    const pieces: Uint8Array[] = [];
    for await (const piece of readControlBackup(store, backup)) pieces.push(piece);
    expect(Buffer.concat(pieces).equals(Buffer.alloc(PART + 1000, backup.number))).toBe(true);
    return backup.number;
  };
  const controlNames = async (store: ObjectStore): Promise<string[]> => {
    const names: string[] = [];
    for await (const { name } of store.list('control/')) names.push(name);
    return names;
  };

  it('may be pruned meanwhile: the copy is made, and its newest is whole', async () => {
    let isPruned = false;
    const { store } = bench;
    const pruning: ObjectStore = {
      url: store.url,
      create: (...of) => store.create(...of),
      stat: (...of) => store.stat(...of),
      list: (...of) => store.list(...of),
      delete: (...of) => store.delete(...of),
      close: async () => {},
      read: async (name, range) => {
        if (name.startsWith('control/') && !isPruned) {
          isPruned = true;
          await put(4);
          await pruneControlBackups(bench.store, SITE, { keep: 1, own: OWN });
        }
        return store.read(name, range);
      },
    };
    await copyVault(await throughStore(pruning), target);
    expect(isPruned).toBe(true);
    expect([0, 3]).toContain(await readNewest(target));
    await copyVault(bench.vault, target, { prune: true });
    expect(await readNewest(target)).toBe(4);
    expect(await controlNames(target)).toEqual(await controlNames(bench.store));
  });

  it('are whole in the copy or count for nothing, wherever copying and pruning are killed', async () => {
    await copyVault(bench.vault, target);
    await put(4);
    await pruneControlBackups(bench.store, SITE, { keep: 1, own: OWN });
    const killed = new HoldfastError('STORE_UNAVAILABLE', { thing: 'store', why: 'killed', remedy: 'go on' });
    let isOver = false;
    for (let at = 0; !isOver; at += 1) {
      let changes = 0;
      const dying = withFaults(target, ({ request }) =>
        ['create', 'delete'].includes(request) && changes++ >= at ? { before: killed } : undefined,
      );
      isOver = await copyVault(bench.vault, dying, { prune: true, concurrency: 1 }).then(
        () => true,
        () => false,
      );
      expect([3, 4]).toContain(await readNewest(target));
      expect(at).toBeLessThan(50);
    }
    expect(await readNewest(target)).toBe(4);
    expect(await controlNames(target)).toEqual(await controlNames(bench.store));
  });
});
