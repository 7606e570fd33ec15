import { type NewestCatalogue, newestCatalogue } from './catalogue.ts';
import { openLogWriter } from './log-writer.ts';
import { catalogueName, cataloguePrefix, catalogueVersionOf } from './object-names.ts';
import { readMachine } from './read-machine.ts';
import { compareAll } from './testing/compare.ts';
import { settled } from './testing/fast-clock.ts';
import type { MadeCut } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

const LAST = 999_999_999_999;

/** Somebody may create objects in the vault and has no key: catalogues of numbers of his own choice hide nothing. */
describe('a catalogue of a number that somebody chose', () => {
  let bench: WriterBench;
  let machineId: string;
  let cuts: MadeCut[];
  let before: NewestCatalogue;
  let good: Uint8Array;

  const append = async (): Promise<void> => {
    const { writer } = await bench.open({ checkpoint: { slots: 1 } });
    for (const cut of await bench.cuts(12)) {
      await writer.append(cut.content);
      await settled();
      cuts.push(cut);
    }
  };
  const newest = (): Promise<NewestCatalogue> => newestCatalogue(bench.vault, machineId);

  beforeEach(async () => {
    bench = await WriterBench.create();
    ({ machineId } = bench.source);
    cuts = [];
    await append();
    before = await newest();
    good = await bench.store.read(catalogueName(machineId, before.highest));
  });
  afterEach(() => bench.close());
  const put = (version: number, bytes: Uint8Array): Promise<void> => bench.store.create(catalogueName(machineId, version), bytes);

  it('has a newest of many versions to begin with', () => {
    expect(before.highest).toBeGreaterThan(9);
    expect(before.newest?.version).toBe(before.highest);
    expect(before.strangers).toEqual([]);
  });

  it.each([
    ['bytes of any kind', () => Buffer.alloc(300, 7)],
    ['nothing', () => Buffer.alloc(0)],
    ['a good one under another number', () => Buffer.from(good)],
    ['one that says to be of a release to come', () => Buffer.from(good).fill(99, 8, 10)],
  ])('is stepped over, told, and in no way of writers: %s', async (_, make) => {
    const numbers = [LAST, LAST - 1, before.highest + 1000, before.highest + 500, before.highest + 100];
    for (const number of numbers) await put(number, make());
    // Those who flood it.
    for (let number = LAST - 40; number < LAST - 20; number += 1) await put(number, make());
    const found = await newest();
    expect([found.newest?.tag, found.highest, found.damage]).toEqual([before.newest!.tag, before.highest, []]);
    expect(found.strangers).toHaveLength(numbers.length + 20);
    const history = await readMachine(bench.vault, machineId);
    expect(history.damage.map(({ object }) => catalogueVersionOf(object))).toContain(LAST);
    expect(history.points.length).toBe(cuts.length);
    await append();
    const after = await newest();
    expect(after.newest!.version).toBeGreaterThan(before.highest);
    expect((await readMachine(bench.vault, machineId)).points.length).toBe(cuts.length);
    expect(await compareAll(await readMachine(bench.vault, machineId), cuts)).toBeUndefined();
  });

  it('is damage where it may have been a version: near the others', async () => {
    await put(before.highest + 9, Buffer.alloc(300, 7));
    expect(await newest()).toMatchObject({ highest: before.highest, damage: [], strangers: [{}] });
    await put(before.highest + 8, Buffer.alloc(300, 7));
    const found = await newest();
    expect([found.newest?.tag, found.highest, found.strangers]).toEqual([before.newest!.tag, before.highest + 9, []]);
    expect(found.damage).toHaveLength(2);
    await expect(openLogWriter(bench.vault, machineId)).rejects.toMatchObject({ code: 'DAMAGED' });
    // One of a release to come may be what holds.
    await put(before.highest + 2, Buffer.from(good).fill(99, 8, 10));
    await expect(newest()).rejects.toMatchObject({ code: 'VAULT_VERSION_UNSUPPORTED' });
  });

  it('is all there is of a machine that has none: the first one is still to come', async () => {
    for await (const { name } of bench.store.list(cataloguePrefix(machineId))) await bench.store.delete(name);
    await put(LAST, Buffer.alloc(300, 7));
    expect(await newest()).toMatchObject({ newest: undefined, highest: 0, damage: [], strangers: [{}] });
  });

  it('is not stepped over for ever: of more than can be many nobody knows what they hide', async () => {
    for (let number = 0; number < 300; number += 1) await put(LAST - number, Buffer.alloc(10));
    const found = await newest();
    expect([found.newest, found.damage.length]).toEqual([undefined, 256]);
  });
});
