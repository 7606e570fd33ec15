import { createMemoryStore, type ObjectStore, withFaults } from '@holdfast/object-store';
import type { Catalogue } from '@holdfast/protocol';
import { type CatalogueVersion, newestCatalogue, publishCatalogue, stateOf } from './catalogue.ts';
import { catalogueTrust } from './catalogue-trust.ts';
import { stateContent, tombstoneOf } from './checkpointer.ts';
import { copyVault } from './copy-vault.ts';
import { createHistory, type HistoryPart, readHistory } from './history-object.ts';
import { type KeepOptions, type KeepReport, keepMachine } from './keep-machine.ts';
import { keeperKeyOf } from './keeper-key.ts';
import { OBJECT_KIND } from './object-header.ts';
import { catalogueName, slotName } from './object-names.ts';
import { readSlots } from './read-log.ts';
import { readMachine } from './read-machine.ts';
import { readHead } from './read-object.ts';
import { rebuildCatalogue } from './rebuild-catalogue.ts';
import { NO_TAG, sealObject } from './sealed-object.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { crashPlan } from './testing/model.ts';
import { createTestVault, throughStore } from './testing/open-test-vault.ts';
import { type MadeCut, SimulatedSource } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

const DAY = 24 * 3_600_000;
const SMALL = { limits: { size: 20_000, entries: 40 }, unitFrames: 16, fanIn: 4, minCuts: 4, thinAtOnce: 1, clock: fastClock };
const ALL = { rules: [], atLeast: 1000 };
const REFUSED = { code: 'VAULT_NOT_VOUCHED' };

describe('what a keeper acts upon', () => {
  /** What the store's clock shows. */
  let now: number;
  let bench: WriterBench;
  let machineId: string;
  let cuts: MadeCut[];
  beforeEach(async () => {
    now = Date.UTC(2026, 0, 1);
    const store = createMemoryStore({ now: () => now });
    const source = new SimulatedSource([64 * 1024, 50_000]);
    bench = new WriterBench(source, store, await createTestVault(source, store));
    ({ machineId } = source);
    cuts = [];
  });
  afterEach(() => bench.close());

  const append = async (count: number, checkpointSlots = 1): Promise<void> => {
    const made = await bench.cuts(count);
    const { writer } = await bench.open({ checkpoint: { slots: checkpointSlots } });
    for (const { content } of made) {
      await writer.append(content);
      await settled();
    }
    await writer.close();
    cuts.push(...made);
  };
  const key = (number = 1) => keeperKeyOf(Buffer.alloc(32, number), bench.vault.id);
  const keep = (options: KeepOptions = {}, vault = bench.vault): Promise<KeepReport> =>
    keepMachine(vault, machineId, { ...SMALL, policy: ALL, keeperKey: key(), ...options });
  const newest = async (): Promise<CatalogueVersion> => (await newestCatalogue(bench.vault, machineId)).newest!;
  const writer = async () => ({ vault: bench.vault, machineId, keyEpoch: await bench.vault.keys.newestEpoch(machineId) });
  /** What anybody can do who may create objects and has the key of the vault. */
  const forge = async (
    change: (catalogue: Catalogue, version: number) => Partial<Catalogue> | Promise<Partial<Catalogue>>,
  ): Promise<void> => {
    const found = await newest();
    const catalogue = { ...found.catalogue, ...(await change(found.catalogue, found.version + 1)) };
    expect(await publishCatalogue(await writer(), { newest: found, highest: found.version }, catalogue)).toBeDefined();
  };
  const needsNothing = (catalogue: Catalogue): Partial<Catalogue> => ({
    runs: [],
    history: [],
    cuts: catalogue.cuts,
    compacted: catalogue.cuts,
  });
  /** The history told otherwise, in one object. */
  const retold = async (
    { history, cuts: end }: Catalogue,
    change: (told: HistoryPart) => Partial<HistoryPart>,
  ): Promise<Partial<Catalogue>> => {
    const parts = await Promise.all(history.map((ref) => readHistory(bench.vault, machineId, ref)));
    const told: HistoryPart = {
      ...parts[0]!.records,
      slots: parts.flatMap(({ records }) => records.slots),
      cuts: parts.flatMap(({ records }) => records.cuts),
    };
    return { history: await createHistory(await writer(), { ...told, ...change(told) }, end, 0n) };
  };
  const names = async (): Promise<string[]> =>
    (await bench.objects('')).map(({ name }) => name).filter((name) => !name.includes('/catalogue/'));
  /** Days of keepers. */
  const days = async (turn: () => Promise<unknown>): Promise<void> => {
    for (let day = 0; day < 4; day += 1) {
      now += DAY + 1;
      await turn();
    }
  };
  /** Refused, whatever time goes by; nothing is lost, and who goes back has everything. */
  const expectRefused = async (why: string | RegExp): Promise<void> => {
    const before = await names();
    await days(() => expect(keep()).rejects.toMatchObject({ ...REFUSED, why: expect.stringMatching(why) }));
    expect(await names()).toEqual(before);
    const { passedOver } = await rebuildCatalogue(bench.vault, machineId, { keeperKey: key(), clock: fastClock });
    expect(passedOver.length).toBeGreaterThan(0);
    await bench.expectWhole(cuts);
    await append(2);
    await days(() => keep());
    await bench.expectWhole(cuts);
  };

  const lived = async (): Promise<void> => {
    await append(5);
    await keep();
    await append(3);
    expect((await newest()).catalogue.runs.length).toBeGreaterThan(0);
    expect((await newest()).catalogue.history.length).toBeGreaterThan(1);
  };

  it('is a version that a keeper vouched for, or that says what the log says', async () => {
    await append(3);
    // Vouched for by nobody, and true.
    expect(await keep()).toMatchObject({ compactions: 0 });
    await append(9, 2);
    expect((await keep()).compactions).toBeGreaterThan(0);
    for (let round = 0; round < 6; round += 1) {
      now += DAY + 1;
      await append(3, (round % 3) + 1);
      await keep(round % 2 === 0 ? {} : { minCuts: 1000 });
    }
    await bench.expectWhole(cuts);
    const few = { minCuts: 1, policy: { rules: [], atLeast: 3 } };
    expect((await keep(few)).thinned).toBe(cuts.length - 3);
    await append(5);
    await keep(few);
    let deleted = 0;
    await days(async () => {
      await append(1);
      deleted += (await keep(few)).deleted;
    });
    expect(deleted).toBeGreaterThan(20);
    await bench.expectWhole(cuts.slice(-3));
  });

  it('is not what needs nothing; where keepers have no key the past is gone after that', async () => {
    await lived();
    await forge(needsNothing);
    await expectRefused('where the data of points lies');
    await forge((catalogue) => ({ ...needsNothing(catalogue), keeper: new Uint8Array(0) }));
    await days(async () => {
      // Somebody goes on publishing, so that the clock of the store is seen.
      await forge(() => ({}));
      await keep({ keeperKey: undefined });
    });
    expect((await names()).filter((name) => /\/(parts|runs|history)\//.test(name))).toEqual([]);
    expect((await bench.read()).points).toEqual([]);
  });

  it('leaves out no cut', async () => {
    await lived();
    await forge((catalogue) => retold(catalogue, ({ cuts: told }) => ({ cuts: told.slice(0, -1) })));
    expect((await bench.read()).points).toHaveLength(cuts.length - 1);
    await expectRefused('leaves out 1 cuts, and with them 1 points');
  });

  it('leaves out no cut of what a keeper vouched for', async () => {
    await append(5);
    await keep();
    await forge((catalogue) => retold(catalogue, ({ cuts: told }) => ({ cuts: told.slice(0, -1) })));
    await expectRefused('leaves out 1 cuts');
  });

  it('tells no cut otherwise, and of no other slot', async () => {
    await lived();
    await forge((catalogue) =>
      retold(catalogue, ({ cuts: told }) => ({
        cuts: told.map((cut, i) => (i > 0 ? cut : { ...cut, epochs: cut.epochs.map(() => ({ ...cut.epochs[0]!, runs: [] })) })),
      })),
    );
    await expectRefused('were made otherwise');
    await forge((catalogue) => retold(catalogue, ({ slots }) => ({ slots: slots.map((slot) => ({ ...slot, tag: new Uint8Array(32) })) })));
    await expectRefused('another slot');
  });

  it('refers to the runs that keepers made', async () => {
    await lived();
    await forge(({ runs }) => ({ runs: runs.slice(0, -1) }));
    await expectRefused('where the data');
    await forge(({ runs }) => ({ runs: runs.map((run) => ({ ...run, size: run.size + 1n })) }));
    await expectRefused('where the data');
    await append(1);
    await forge(({ covered }) => ({ firstSlot: covered }));
    await expectRefused('which slots are given up');
    await append(1);
    await forge(({ cuts: end }) => ({ compacted: end }));
    await expectRefused('where the data');
    await forge(({ lost }) => ({ lost: [...lost, { $typeName: 'holdfast.v1.LostSlots', first: 0n, last: 0n }] }));
    await expectRefused('lost');
  });

  it('gives up nothing but what keepers give up, and history that was put together', async () => {
    await lived();
    const [run] = (await newest()).catalogue.runs;
    const slots = { ...tombstoneOf(OBJECT_KIND.segment, new Uint8Array(0), 1), below: 1n };
    for (const tombstone of [
      tombstoneOf(OBJECT_KIND.part, Buffer.alloc(16, 3), 1),
      slots,
      tombstoneOf(OBJECT_KIND.history, run!.object!.id, 1),
    ]) {
      await forge(({ tombstones, firstSlot }) => ({
        tombstones: [...tombstones, { ...tombstone, ...(tombstone.below > 0n && { below: firstSlot }) }],
      }));
      await expectRefused('gives up');
    }
  });

  it('goes as far in the log as it says, and ends with a cut', async () => {
    await append(6);
    await keep();
    await forge(({ covered }) => ({ covered: covered + 5n }));
    await expectRefused('which is not there');
    await forge(({ fenceTerm }) => ({ fenceTerm: fenceTerm + 1n }));
    await expectRefused('another state');
    await append(1);
    const found = await newest();
    await publishCatalogue({ ...(await writer()), keeperKey: key() }, { newest: found, highest: found.version }, found.catalogue);
    await forge(({ covered }) => ({ covered: covered - 1n, head: undefined as never }));
    await expectRefused('covers less');
    // A cut in several slots, whose writer died in the middle of it.
    for (const disk of bench.source.disks) for (const block of [0, 2, 4, 6, 8]) bench.source.write(disk, block, 1, 255 - block);
    const large = await bench.source.cut({ packing: { extentsPerFrame: 1, codec: 'raw' } });
    const opened = await bench.open({ checkpoint: { slots: 1000, milliseconds: 1e9 }, segmentSize: 5000 });
    await opened.writer.append(large.content);
    opened.plan = crashPlan(0, false);
    await opened.writer.close();
    const before = await newest();
    for (const { name } of await bench.objects('log/'))
      if (name >= slotName(machineId, Number(before.catalogue.covered) + 3)) await bench.store.delete(name);
    const reaching = async (count: number): Promise<Partial<Catalogue>> => {
      const state = stateOf(before.catalogue);
      for await (const slot of readSlots(bench.vault, machineId, Number(before.catalogue.covered))) {
        if (slot.sequence >= Number(before.catalogue.covered) + count) break;
        state.advance(slot);
      }
      return { covered: before.catalogue.covered + BigInt(count), ...stateContent(state) };
    };
    await forge(() => reaching(3));
    await expect(keep()).rejects.toMatchObject({ ...REFUSED, why: expect.stringContaining('in the middle of a cut') });
  });

  it('is no older version under a new number, vouched for as it was', async () => {
    await lived();
    await append(1);
    await keep();
    const kept = await newest();
    const { version } = kept;
    expect(kept.claim).toBeDefined();
    const { records } = await readHead(bench.vault, catalogueName(machineId, version), {
      kind: OBJECT_KIND.catalogue,
      machineId,
      number: version,
    });
    await append(5);
    expect((await keep()).compactions).toBeGreaterThan(0);
    expect((await newest()).catalogue.compacted).toBeGreaterThan(kept.catalogue.compacted);
    const number = (await newest()).version + 1;
    const { keyEpoch } = await writer();
    const { bytes } = sealObject(
      await bench.vault.keys.keyOf(machineId, keyEpoch),
      { kind: OBJECT_KIND.catalogue, keyEpoch, vaultId: bench.vault.id, machineId, number, previousTag: NO_TAG },
      { records, index: new Uint8Array(0), frames: [] },
    );
    await bench.store.create(catalogueName(machineId, number), bytes);
    expect((await newest()).claim).toEqual(kept.claim);
    await expectRefused('where the data');
  });

  it('is believed again once somebody looked at it', async () => {
    await lived();
    await forge((catalogue) => retold(catalogue, ({ cuts: told }) => ({ cuts: told.slice(0, -1) })));
    await expect(keep()).rejects.toMatchObject(REFUSED);
    const left = (await bench.read()).points.length;
    expect(left).toBe(cuts.length - 1);
    await keep({ adopt: true });
    await days(() => keep());
    expect((await bench.read()).points).toHaveLength(left);
  });

  it('is not what a keeper with another key, or with none, published', async () => {
    await append(5);
    // From before there were keeper keys.
    await keep({ keeperKey: undefined });
    await expect(keep()).rejects.toMatchObject({ ...REFUSED, why: expect.stringContaining('no keeper with this key') });
    await keep({ adopt: true });
    await append(5);
    await keep();
    await expect(keep({ keeperKey: undefined })).rejects.toMatchObject({ ...REFUSED, why: expect.stringContaining('was not given it') });
    await expect(keep({ keeperKey: undefined, adopt: true })).rejects.toMatchObject(REFUSED);
    // A keeper in place of one that is lost.
    await expect(keep({ keeperKey: key(2) })).rejects.toMatchObject(REFUSED);
    await keep({ keeperKey: key(2), adopt: true });
    await append(5);
    await keep({ keeperKey: key(2) });
    await expect(keep()).rejects.toMatchObject(REFUSED);
    await bench.expectWhole(cuts);
  });

  it('goes with a copy of the vault', async () => {
    await lived();
    const target = createMemoryStore({ now: () => now });
    await copyVault(bench.vault, target);
    const vault = await throughStore(target);
    await days(() => keep({}, vault));
    expect((await readMachine(vault, machineId)).points).toHaveLength(cuts.length);
  });

  it('can be rebuilt where no keeper vouched for anything yet', async () => {
    await append(3);
    await forge((catalogue) => retold(catalogue, ({ cuts: told }) => ({ cuts: told.slice(0, -1) })));
    await expectRefused('follow from the log');
  });

  it.each([
    // Compaction vouches for a version before anything goes; where there is nothing to compact, what goes is what writers gave up since.
    ['that compacts', 4],
    ['with nothing to compact', 1000],
  ])(
    'is there whenever a keeper %s was killed',
    async (_what, minCuts) => {
      await append(6);
      await keep();
      await append(6);
      const objects: (readonly [string, Uint8Array])[] = [];
      for await (const { name } of bench.store.list('')) objects.push([name, await bench.store.read(name)]);
      const few = { minCuts, policy: { rules: [], atLeast: minCuts } };
      let finished = 0;
      let deleted = 0;
      for (let after = 0; finished < 2; after += 1)
        for (const effect of [false, true]) {
          const store: ObjectStore = createMemoryStore({ now: () => now });
          for (const [name, bytes] of objects) await store.create(name, bytes);
          now += DAY + 1;
          bench = new WriterBench(bench.source, store, await throughStore(store));
          await forge(() => ({}));
          let plan: ReturnType<typeof crashPlan> = () => undefined;
          const vault = await throughStore(withFaults(store, (call) => plan(call)));
          plan = crashPlan(after, effect);
          const report = await keep(few, vault).catch(() => undefined);
          finished = report === undefined ? 0 : finished + 1;
          deleted += report?.deleted ?? 0;
          await days(async () => {
            await forge(() => ({}));
            deleted += (await keep(few)).deleted;
          });
          await bench.expectWhole(cuts.slice(-minCuts));
        }
      expect(deleted).toBeGreaterThan(100);
    },
    120_000,
  );

  it('is judged by the newest version only that there is', async () => {
    await lived();
    const trust = catalogueTrust(bench.vault, machineId, key());
    await trust.require(await newest());
    const { vouched } = trust;
    expect(vouched).toBeGreaterThan(0);
    expect(vouched).toBeLessThan((await newest()).version);
    await append(1);
    await keep();
    await trust.require(await newest());
    expect(trust.vouched).toBeGreaterThan(vouched);
    // The same content under another machine's, or another vault's, key is none.
    const { claim, version } = await newest();
    expect(key().hasVouched({ machineId, version }, claim)).toBe(true);
    expect(key().hasVouched({ machineId, version: version + 1 }, claim)).toBe(false);
    expect(key().hasVouched({ machineId: '55'.repeat(16), version }, claim)).toBe(false);
    expect(keeperKeyOf(Buffer.alloc(32, 1), '66'.repeat(16)).hasVouched({ machineId, version }, claim)).toBe(false);
    expect(key().hasVouched({ machineId, version }, undefined)).toBe(false);
  });
});
