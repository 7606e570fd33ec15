import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import { idText } from '@holdfast/protocol';
import { keepMachine } from './keep-machine.ts';
import { openLogWriter } from './log-writer.ts';
import { catalogueName, historyName, slotName } from './object-names.ts';
import { readMachine } from './read-machine.ts';
import { rebuildCatalogue } from './rebuild-catalogue.ts';
import { restoreObject } from './restore-object.ts';
import { scrubMachine } from './scrub-machine.ts';
import { compareAll } from './testing/compare.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { throughStore } from './testing/open-test-vault.ts';
import type { MadeCut } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

const SMALL = { limits: { size: 20_000, entries: 40 }, unitFrames: 16, fanIn: 4, minCuts: 1, clock: fastClock };

let bench: WriterBench;
let machineId: string;
let cuts: MadeCut[];
beforeEach(async () => {
  bench = await WriterBench.create();
  ({ machineId } = bench.source);
  cuts = await bench.cuts(8);
  await append(cuts.slice(0, 5), 1);
  await keepMachine(bench.vault, machineId, SMALL);
  await append(cuts.slice(5), 1000);
});
afterEach(() => bench.close());

const append = async (made: readonly MadeCut[], slots: number): Promise<void> => {
  const { writer } = await bench.open({ checkpoint: { slots } });
  for (const { content } of made) {
    await writer.append(content);
    await settled();
  }
};
const copyOf = async (store: ObjectStore): Promise<ObjectStore> => {
  const copy = createMemoryStore();
  for await (const { name } of store.list('')) await copy.create(name, await store.read(name));
  return copy;
};
const replace = async (store: ObjectStore, name: string, content: Uint8Array): Promise<void> => {
  await store.delete(name);
  await store.create(name, content);
};
const flip = async (store: ObjectStore, name: string): Promise<void> => {
  const content = Buffer.from(await store.read(name));
  content[content.length - 20]! ^= 1;
  await replace(store, name, content);
};
const listOf = async (store: ObjectStore, prefix: string): Promise<string[]> => {
  const found: string[] = [];
  for await (const { name } of store.list(prefix)) found.push(name);
  return found;
};
const scrub = () => scrubMachine(bench.vault, machineId, { fresh: true, clock: fastClock });
const names = async (folder: string): Promise<string[]> => (await bench.objects(folder)).map(({ name }) => name);

describe('restoring objects out of a copy', () => {
  it('puts back what is damaged or gone, in the log and below, byte for byte', async () => {
    const copy = await copyOf(bench.store);
    const parts = await names('parts/');
    const slots = (await names('log/')).slice(-2);
    await flip(bench.store, parts[0]!);
    await bench.store.delete(parts[1]!);
    await flip(bench.store, slots[0]!);
    const { findings, history } = await scrub();
    expect(new Set(findings.map(({ object }) => object))).toEqual(new Set([parts[0]!, parts[1]!, slots[0]!]));
    for (const finding of findings) expect(await restoreObject(history, copy, finding)).toBeUndefined();
    expect((await scrub()).findings).toEqual([]);
    expect(await compareAll(await bench.read(), cuts)).toBeUndefined();
    for (const name of [...parts, ...slots]) expect(await bench.store.read(name)).toEqual(await copy.read(name));
  });

  it('puts back a slot that ended the reading of the log, and none that the slots around it do not follow', async () => {
    const copy = await copyOf(bench.store);
    const name = (await names('log/')).at(-2)!;
    const content = Buffer.from(await bench.store.read(name));
    content[170]! ^= 1;
    await replace(bench.store, name, content);
    const { findings, history } = await scrub();
    expect(findings.map(({ object }) => object)).toEqual([name]);
    // Another store's slot of that number: of the same vault, but an orphan's, say.
    const other = await copyOf(copy);
    await replace(other, name, await copy.read((await names('log/')).at(-1)!));
    expect(await restoreObject(history, other, findings[0]!)).toContain('no good');
    expect(await restoreObject(history, createMemoryStore(), findings[0]!)).toBe('the copy does not have it');
    expect(await restoreObject(history, bench.store, findings[0]!)).toContain('no good');
    expect(await restoreObject(history, copy, findings[0]!)).toBeUndefined();
    expect(await compareAll(await bench.read(), cuts)).toBeUndefined();
    expect((await bench.read()).points).toHaveLength(8);
  });
});

it('puts back the last slot of the log out of a copy that has it, and not out of one that went its own way', async () => {
  const copy = await copyOf(bench.store);
  const other = await copyOf(bench.store);
  // A copy that a writer went on with, by mistake: same numbers, another story.
  const [last] = (await names('log/')).slice(-1);
  await other.delete(last!);
  const astray = await openLogWriter(await throughStore(other), machineId, { clock: fastClock });
  await astray.append(cuts.at(-1)!.content);
  await astray.close();
  const [furthest] = (await listOf(other, `m/${machineId}/log/`)).slice(-1);
  expect(furthest! >= last!).toBe(true);
  await flip(bench.store, last!);
  const { findings, history } = await scrub();
  const [finding] = findings.filter(({ object }) => object === last);
  // Its fence took the number: it follows what this vault has, and is a slot like any other. The slot behind it follows that fence.
  const moved = createMemoryStore();
  await moved.create(furthest!, await other.read(furthest!));
  expect(await restoreObject(history, moved, { ...finding!, object: furthest! })).toContain('no good');
  expect(await restoreObject(history, copy, finding!)).toBeUndefined();
  expect((await scrub()).findings).toEqual([]);
});

describe('rebuilding a catalogue', () => {
  it('goes on from the newest version of which all is there', async () => {
    const { version, catalogue } = (await bench.read()).catalogue!;
    const last = catalogue.history.at(-1)!;
    // An object that only the newest version needs, and that version itself.
    await bench.store.delete(historyName(machineId, idText(last.object!.id)));
    const damaged = await rebuildCatalogue(bench.vault, machineId, { clock: fastClock });
    expect(damaged.passedOver.length).toBeGreaterThan(0);
    expect(damaged.passedOver[0]).toMatchObject({ version, why: expect.stringContaining('gone') });
    expect(damaged.basedOn).toBeLessThan(version);
    const history = await readMachine(bench.vault, machineId);
    expect(history.damage).toEqual([]);
    expect(await compareAll(history, cuts)).toBeUndefined();
    expect(history.catalogue!.version).toBeGreaterThan(version);
  });

  it('refuses where nothing tells what there is', async () => {
    for (const name of await names('catalogue/')) await flip(bench.store, name);
    await bench.store.delete(slotName(machineId, 0));
    const before = await names('');
    await expect(rebuildCatalogue(bench.vault, machineId, { clock: fastClock })).rejects.toMatchObject({ code: 'DAMAGED' });
    expect((await names('')).filter((name) => !before.includes(name) && !name.includes('/terms/'))).toEqual([]);
  });

  it('makes one out of the log alone while that is whole', async () => {
    const fresh = await WriterBench.create();
    const made = await fresh.cuts(4);
    const { writer } = await fresh.open({ checkpoint: { slots: 1 } });
    for (const { content } of made) {
      await writer.append(content);
      await settled();
    }
    const { version } = (await fresh.read()).catalogue!;
    for (let n = 1; n <= version; n += 1) await flip(fresh.store, catalogueName(fresh.source.machineId, n));
    const report = await rebuildCatalogue(fresh.vault, fresh.source.machineId, { clock: fastClock });
    expect(report).toMatchObject({ basedOn: 0, lost: [], voidCuts: 0 });
    expect(report.passedOver).toHaveLength(version);
    expect(await compareAll(await fresh.read(), made)).toBeUndefined();
    expect((await fresh.read()).damage).toEqual([]);
    await fresh.close();
  });
});
