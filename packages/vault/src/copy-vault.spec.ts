import { HoldfastError } from '@holdfast/errors';
import { createMemoryStore, type ObjectStore, withFaults } from '@holdfast/object-store';
import { checkMachine } from './check-machine.ts';
import { copyVault } from './copy-vault.ts';
import { listHolds } from './hold.ts';
import { keepMachine } from './keep-machine.ts';
import { readMachine } from './read-machine.ts';
import { compareAll } from './testing/compare.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { throughStore } from './testing/open-test-vault.ts';
import type { MadeCut } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

const SMALL = { limits: { size: 20_000, entries: 40 }, unitFrames: 16, fanIn: 4, minCuts: 1, clock: fastClock };

describe('copying a vault', () => {
  let bench: WriterBench;
  let machineId: string;
  let cuts: MadeCut[];
  let target: ObjectStore;
  beforeEach(async () => {
    bench = await WriterBench.create();
    ({ machineId } = bench.source);
    cuts = await bench.cuts(8);
    await append(cuts.slice(0, 5));
    await keepMachine(bench.vault, machineId, SMALL);
    target = createMemoryStore();
  });
  afterEach(() => bench.close());

  const append = async (made: readonly MadeCut[]): Promise<void> => {
    const { writer } = await bench.open({ checkpoint: { slots: 2 } });
    for (const { content } of made) {
      await writer.append(content);
      await settled();
    }
  };
  const verify = async (): Promise<number> => {
    const history = await readMachine(await throughStore(target), machineId);
    expect(await compareAll(history, cuts)).toBeUndefined();
    expect((await checkMachine(history)).findings).toEqual([]);
    return history.points.length;
  };
  const names = async (store: ObjectStore): Promise<string[]> => {
    const found: string[] = [];
    for await (const { name } of store.list('')) found.push(name);
    return found;
  };

  it('makes one that opens with the same key, and brings it up to date later', async () => {
    const first = await copyVault(bench.vault, target);
    expect(first).toMatchObject({ present: 0, isHeld: true, machines: [{ id: machineId, points: 5 }] });
    expect(await verify()).toBe(5);
    expect(await names(target)).toEqual(await names(bench.store));
    expect(await listHolds(bench.vault, machineId)).toEqual([]);
    expect(await copyVault(bench.vault, target)).toMatchObject({ objects: 0, bytes: 0, present: first.objects });

    await append(cuts.slice(5));
    await keepMachine(bench.vault, machineId, { ...SMALL, policy: { rules: [], atLeast: 2 }, thinAtOnce: 1, grace: 0 });
    const later = await copyVault(bench.vault, target);
    expect(later.machines[0]!.points).toBeLessThan(8);
    expect(later.pruned).toBe(0);
    await verify();
    expect((await copyVault(bench.vault, target, { prune: true })).pruned).toBeGreaterThan(5);
    expect(await names(target)).toEqual(await names(bench.store));
    await verify();
  });

  it('can be killed before and after every request: what is there is never a vault that is not whole, and it goes on', async () => {
    let finished = false;
    let kills = 0;
    for (let after = 0; !finished; after += 1) {
      target = createMemoryStore();
      let requests = 0;
      const gone = new HoldfastError('INTERNAL', { thing: 'copier', why: 'killed on purpose', remedy: 'none' });
      const dying = withFaults(target, () => {
        requests += 1;
        return requests > after ? (requests % 2 === 0 ? { after: gone } : { before: gone }) : undefined;
      });
      finished = await copyVault(bench.vault, dying, { concurrency: 1 }).then(
        () => true,
        () => false,
      );
      kills += 1;
      if ((await names(target)).includes('vault')) expect(await verify()).toBe(5);
      expect((await copyVault(bench.vault, target)).machines[0]!.points).toBe(5);
      expect(await verify()).toBe(5);
    }
    expect(kills).toBeGreaterThan(20);
  }, 120_000);

  it('refuses another vault, and a copy that somebody wrote to', async () => {
    const other = await WriterBench.create();
    await expect(copyVault(bench.vault, other.store)).rejects.toMatchObject({ code: 'OBJECT_EXISTS', why: 'another vault is there' });
    await copyVault(bench.vault, target);
    const forked = new WriterBench(bench.source.clone(), target, await throughStore(target));
    await (await forked.open()).writer.append(cuts[5]!.content);
    await append(cuts.slice(5));
    await expect(copyVault(bench.vault, target)).rejects.toMatchObject({
      code: 'OBJECT_EXISTS',
      why: expect.stringContaining('the copy was written to'),
    });
    await forked.close();
    await other.close();
  });

  it('goes without a hold for those who may only read, and tells a copy that misses something', async () => {
    const refused = new HoldfastError('NO_PERMISSION', { thing: 'store', why: 'read only', remedy: 'ask' });
    const readOnly = withFaults(bench.store, ({ request }) => (request === 'create' ? { before: refused } : undefined));
    expect(await copyVault(await throughStore(readOnly), target)).toMatchObject({ isHeld: false });
    expect(await verify()).toBe(5);
    const part = (await names(target)).find((name) => name.includes('/parts/'))!;
    const lying = createMemoryStore();
    for await (const { name } of target.list('')) if (name !== part) await lying.create(name, await target.read(name));
    // A target that says it stored what it did not.
    const losing: ObjectStore = {
      ...lying,
      url: 'lying:',
      create: async () => {},
      read: (...of) => lying.read(...of),
      stat: (...of) => lying.stat(...of),
      list: (...of) => lying.list(...of),
      delete: (...of) => lying.delete(...of),
      close: async () => {},
    };
    await expect(copyVault(bench.vault, losing)).rejects.toMatchObject({ code: 'DAMAGED', thing: part });
  });
});
