import { checkObjects } from './check-objects.ts';
import { slotName } from './object-names.ts';
import { WriterBench } from './testing/writer-bench.ts';

describe('checking what was not checked before', () => {
  it('reads each object once, and finds what is damaged, gone or of another size', async () => {
    const bench = await WriterBench.create();
    const { machineId } = bench.source;
    const { writer } = await bench.open();
    const known = new Map<string, number>();
    const append = async (cuts: number): Promise<void> => {
      for (const { content } of await bench.cuts(cuts)) await writer.append(content);
    };
    const spoil = async (slot: number, change: (bytes: Buffer) => Uint8Array): Promise<void> => {
      const name = slotName(machineId, slot);
      const bytes = Buffer.from(await bench.store.read(name));
      await bench.store.delete(name);
      await bench.store.create(name, change(bytes));
    };
    const flip = (bytes: Buffer): Buffer => {
      bytes[bytes.length >> 1]! ^= 1;
      return bytes;
    };

    await append(3);
    const early = await bench.read();
    expect(await checkObjects(early, known)).toEqual([]);
    const slots = (await bench.objects('log/')).map(({ name, size }) => [name, size]);
    expect([...known]).toEqual(expect.arrayContaining(slots));

    await append(2);
    const late = await bench.read();
    await spoil(2, flip);
    await spoil(4, flip);
    await bench.store.delete(slotName(machineId, 3));
    await spoil(1, (bytes) => bytes.subarray(0, bytes.length - 1));
    const found = async (): Promise<string[]> => [...new Set((await checkObjects(late, known)).map(({ object }) => object))];
    // What is known with its size is not read again; what was found bad is, as long as it is bad.
    const bad = [1, 3, 4].map((slot) => slotName(machineId, slot));
    expect(await found()).toEqual(bad);
    expect(await found()).toEqual(bad);
    await spoil(4, flip);
    expect(await found()).toEqual(bad.slice(0, 2));
    known.clear();
    expect(await found()).toEqual([1, 2, 3].map((slot) => slotName(machineId, slot)));
    await bench.close();
  });
});
