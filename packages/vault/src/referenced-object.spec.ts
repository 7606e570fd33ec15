import { createMemoryStore, withMetrics } from '@holdfast/object-store';
import { OBJECT_KIND } from './object-header.ts';
import { createPrepared, type MachineWriter, type PreparedObject, prepareReferenced, readReferenced } from './referenced-object.ts';
import { throughStore } from './testing/open-test-vault.ts';
import { withPatched } from './testing/patched-store.ts';
import { WriterBench } from './testing/writer-bench.ts';

const LARGE = 300_000;

describe('an object that is referred to', () => {
  let bench: WriterBench;
  let machineId: string;
  let history: PreparedObject;
  let part: PreparedObject;
  beforeAll(async () => {
    bench = await WriterBench.create([40_000], createMemoryStore());
    machineId = bench.source.machineId;
    const writer: MachineWriter = { vault: bench.vault, machineId, keyEpoch: await bench.vault.keys.newestEpoch(machineId) };
    const head = { records: Buffer.alloc(LARGE, 1), index: new Uint8Array(0) };
    history = await prepareReferenced(writer, OBJECT_KIND.history, { ...head, frames: [] });
    part = await prepareReferenced(writer, OBJECT_KIND.part, { ...head, index: Buffer.alloc(4), frames: [Buffer.alloc(LARGE)] });
    for (const object of [history, part]) await createPrepared(bench.vault, object);
  });
  afterAll(() => bench.close());

  const readsOf = async (object: PreparedObject, kind: typeof OBJECT_KIND.history | typeof OBJECT_KIND.part, likely?: number) => {
    const { store, metrics } = withMetrics(bench.store);
    const vault = await throughStore(store);
    await vault.keys.keyOf(machineId, await vault.keys.newestEpoch(machineId));
    const before = metrics.requests.read;
    const { head } = await readReferenced(vault, machineId, kind, object.ref, likely);
    expect(head.records.length).toBe(LARGE);
    return metrics.requests.read - before;
  };

  it('is read in one request where its length is known, or guessed', async () => {
    expect(await readsOf(history, OBJECT_KIND.history)).toBe(1);
    expect(await readsOf(part, OBJECT_KIND.part)).toBe(2);
    expect(await readsOf(part, OBJECT_KIND.part, LARGE + 1000)).toBe(1);
    expect(await readsOf(part, OBJECT_KIND.part, LARGE / 2)).toBe(2);
    expect(await readsOf(part, OBJECT_KIND.part, 10 * LARGE)).toBe(1);
  });

  it.each([
    ['longer', (bytes: Uint8Array) => Buffer.concat([bytes, Buffer.alloc(1)])],
    ['shorter', (bytes: Uint8Array) => bytes.subarray(0, -1)],
  ])('is damaged when it is %s than it was', async (_how, change) => {
    const vault = await throughStore(await withPatched(bench.store, history.name, change(history.bytes)));
    await expect(readReferenced(vault, machineId, OBJECT_KIND.history, history.ref)).rejects.toMatchObject({ code: 'DAMAGED' });
  });
});
