import { randomBytes } from 'node:crypto';
import { BLOCK_SIZE, type BlockDevice, createOverlay } from '@holdfast/block';
import { testBlockDevice } from '@holdfast/block/conformance';
import { createMemoryStore, withMetrics } from '@holdfast/object-store';
import { newId } from '@holdfast/protocol';
import { compactMachine } from './compact-machine.ts';
import { frameThreads } from './frame-threads.ts';
import { openLogWriter } from './log-writer.ts';
import { readMachine } from './read-machine.ts';
import { createTestVault } from './testing/open-test-vault.ts';
import { epochOf, type MadeCut, SimulatedSource } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';
import { openView, openViewAt } from './view.ts';

/** A view of a disk with this content, written in two cuts. */
const viewOf = async (content: Uint8Array): Promise<BlockDevice> => {
  const source = new SimulatedSource([content.length]);
  const vault = await createTestVault(source);
  const writer = await openLogWriter(vault, source.machineId);
  const [disk] = source.disks;
  for (let offset = 0; offset < content.length; offset += 3 * BLOCK_SIZE) {
    const data = content.slice(offset, offset + 3 * BLOCK_SIZE);
    source.change(disk!, { offset, length: data.length, kind: 'data', data });
    if (offset === 9 * BLOCK_SIZE) await writer.append((await source.cut()).content);
  }
  const made = await source.cut();
  await writer.append(made.content);
  await writer.close();
  return openView(await readMachine(vault, source.machineId), made.pointId!, disk!.id);
};

testBlockDevice('an overlay over a view', async (content) => createOverlay(await viewOf(content), { identity: 'a view' }), viewOf);

const MIB = 1 << 20;

describe('view', () => {
  let bench: WriterBench;
  beforeEach(async () => {
    bench = await WriterBench.create([64 * 1024]);
  });
  afterEach(() => bench.close());

  it('serves each point as it was, also when generations, sizes and pieces lie between', async () => {
    const { source } = bench;
    const [disk] = source.disks;
    const { writer } = await bench.open();
    const cuts: MadeCut[] = [];
    const cut = async (...options: Parameters<SimulatedSource['cut']>) => {
      const made = await source.cut(...options);
      await writer.append(made.content);
      cuts.push(made);
      return made;
    };
    source.write(disk!, 0, 16, 1);
    const first = await cut();
    source.write(disk!, 3, 4, 2);
    await cut();
    // Shrinks in the middle of a block, then grows again: what was behind reads as zeroes.
    source.resize(disk!, 20_000);
    await cut();
    source.resize(disk!, 50_000);
    const grown = await cut();
    expect(
      grown.expected
        .get(disk!.id)!
        .content.subarray(20_000)
        .every((byte) => byte === 0),
    ).toBe(true);
    // A resynchronization in pieces on top of the first point.
    source.startGeneration(disk!, epochOf(first, disk!), first.expected.get(disk!.id)!);
    await cut({ open: [disk!] });
    source.write(disk!, 1, 2, 5);
    source.change(disk!, { offset: 4 * BLOCK_SIZE, length: BLOCK_SIZE, kind: 'zero' });
    const piece = await cut({ open: [disk!] });
    await cut();
    // And one that starts from nothing.
    source.startGeneration(disk!);
    await cut();
    await bench.expectWhole(cuts);
    const middle = await openViewAt(await bench.read(), disk!.id, epochOf(piece, disk!));
    const read = Buffer.alloc(middle.size);
    await middle.read(0, read);
    expect(read.equals(piece.expected.get(disk!.id)!.content)).toBe(true);
  });

  it('refuses what could not be read at the source, and only that', async () => {
    const { source } = bench;
    const [disk] = source.disks;
    source.write(disk!, 0, 16, 1);
    source.change(disk!, { offset: 2 * BLOCK_SIZE, length: 3 * BLOCK_SIZE, kind: 'unreadable' });
    source.write(disk!, 3, 1, 9);
    const made = await source.cut();
    await (await bench.open()).writer.append(made.content);
    const view = await openView(await bench.read(), made.pointId!, disk!.id);
    await expect(view.read(0, Buffer.alloc(3 * BLOCK_SIZE))).rejects.toMatchObject({
      code: 'UNREADABLE_EXTENT',
      thing: `disk ${disk!.id}`,
      why: expect.stringContaining('bytes 8192 to 12288'),
    });
    await view.read(0, Buffer.alloc(2 * BLOCK_SIZE));
    await view.read(3 * BLOCK_SIZE, Buffer.alloc(BLOCK_SIZE));
    expect(await view.allocated(0, view.size)).toEqual([{ offset: 0, length: view.size }]);
    await bench.expectWhole([made]);
  });

  it('says which points and disks there are when it has not the one asked for', async () => {
    const cuts = await bench.cuts(2);
    const { writer } = await bench.open();
    const [disk] = bench.source.disks;
    await expect(openView(await bench.read(), newId(), disk!.id)).rejects.toMatchObject({
      code: 'POINT_NOT_FOUND',
      why: expect.stringContaining('no recovery point yet'),
    });
    for (const { content } of cuts) await writer.append(content);
    const history = await bench.read();
    await expect(openView(history, newId(), disk!.id)).rejects.toMatchObject({
      code: 'POINT_NOT_FOUND',
      why: expect.stringContaining(`the newest of its 2 is ${cuts[1]!.pointId}`),
    });
    await expect(openView(history, cuts[0]!.pointId!, newId())).rejects.toMatchObject({
      code: 'POINT_NOT_FOUND',
      why: expect.stringContaining(disk!.id),
    });
  });
});

describe('reading a view', () => {
  const FRAME = 64 * 1024;
  const FRAMES = 24;

  /** A disk of 24 frames that lie next to each other in one segment. */
  const open = async (cacheBytes: number, frames = Array.from({ length: FRAMES }, (_, frame) => Buffer.alloc(FRAME, frame + 1))) => {
    const source = new SimulatedSource([FRAME * FRAMES]);
    const { store, metrics } = withMetrics(createMemoryStore());
    const vault = await createTestVault(source, store);
    const writer = await openLogWriter(vault, source.machineId);
    for (const [frame, data] of frames.entries())
      source.change(source.disks[0]!, { offset: frame * FRAME, length: FRAME, kind: 'data', data });
    const made = await source.cut({ packing: { extentsPerFrame: 1, codec: 'lz4' } });
    await writer.append(made.content);
    const view = await openView(await readMachine(vault, source.machineId), made.pointId!, source.disks[0]!.id, { cacheBytes });
    metrics.requests.read = 0;
    return { view, metrics };
  };

  it('fetches a frame once for all who want it at the same time', async () => {
    const { view, metrics } = await open(4 * FRAME);
    const targets = Array.from({ length: 16 }, () => Buffer.alloc(BLOCK_SIZE));
    await Promise.all(targets.map((target, block) => view.read(block * BLOCK_SIZE, target)));
    expect(metrics.requests.read).toBe(1);
    expect(targets.every((target) => target.equals(Buffer.alloc(BLOCK_SIZE, 1)))).toBe(true);
  });

  it('fetches neighbouring frames in one request, and not what it has', async () => {
    const { view, metrics } = await open(2 * FRAMES * FRAME);
    await view.read(5 * FRAME, Buffer.alloc(FRAME));
    metrics.requests.read = 0;
    const target = Buffer.alloc(view.size);
    await view.read(0, target);
    expect(metrics.requests.read).toBe(2);
    for (let frame = 0; frame < FRAMES; frame += 1) expect(target[frame * FRAME]).toBe(frame + 1);
    await view.read(0, target);
    expect(metrics.requests.read).toBe(2);
  });

  it('fetches ahead for who reads one piece after the other, and not for others', async () => {
    const { view, metrics } = await open(2 * FRAMES * FRAME);
    const read = async (offset: number): Promise<void> => {
      const target = Buffer.alloc(BLOCK_SIZE);
      await view.read(offset, target);
      expect(target[0]).toBe(Math.floor(offset / FRAME) + 1);
    };
    for (let offset = 0; offset < view.size; offset += BLOCK_SIZE) await read(offset);
    expect(metrics.requests.read).toBeLessThan(FRAMES / 2);
    await view.close();

    const backward = await open(2 * FRAMES * FRAME);
    for (let offset = view.size - BLOCK_SIZE; offset >= 0; offset -= BLOCK_SIZE) await backward.view.read(offset, Buffer.alloc(BLOCK_SIZE));
    expect(backward.metrics.requests.read).toBe(FRAMES);
  });

  it('does not fetch ahead for who does so himself', async () => {
    const { view, metrics } = await open(2 * FRAMES * FRAME);
    const readAll = async (several: number): Promise<void> => {
      for (let frame = 0; frame < FRAMES; frame += several)
        await Promise.all(
          Array.from({ length: several }, async (_, i) => {
            const target = Buffer.alloc(FRAME);
            await view.read((frame + i) * FRAME, target);
            expect(target[0]).toBe(frame + i + 1);
          }),
        );
    };
    await readAll(2);
    expect(metrics.requests.read).toBe(FRAMES);
    await view.close();
  });

  it('keeps nothing of what threads fill, and does not have them fill what it has', async () => {
    const noise = Array.from({ length: FRAMES }, () => randomBytes(FRAME));
    const { view, metrics } = await open(2 * FRAMES * FRAME, noise);
    /** Requests that it took. */
    const readShared = async (frames: number, first = 0): Promise<number> => {
      const before = metrics.requests.read;
      const target = Buffer.from(new SharedArrayBuffer(frames * FRAME));
      await view.read(first * FRAME, target);
      expect(target.equals(Buffer.concat(noise.slice(first, first + frames)))).toBe(true);
      return metrics.requests.read - before;
    };
    // Threads come once they are worth it, for the whole process: other views may have read enough for that.
    const other = await open(0, noise);
    for (let round = 0; frameThreads.running === 0 && round < 10; round += 1) await other.view.read(0, Buffer.alloc(FRAMES * FRAME));
    await other.view.close();
    expect(await readShared(12)).toBe(1);
    expect(await readShared(12)).toBe(1);
    // Little at once is kept; who reads it with much else has it read again.
    expect(await readShared(4)).toBe(1);
    expect(await readShared(4)).toBe(0);
    expect(await readShared(12)).toBe(1);
    expect(await readShared(4, 4)).toBe(1);
    expect(await readShared(8)).toBe(0);
    await view.close();
    await frameThreads.close();
  });

  it('keeps no more than it may', async () => {
    const { view, metrics } = await open(2.1 * FRAME);
    const read = (frame: number) => view.read(frame * FRAME, Buffer.alloc(1));
    for (const frame of [0, 1, 0, 1]) await read(frame);
    expect(metrics.requests.read).toBe(2);
    for (const frame of [2, 0, 1, 2]) await read(frame);
    expect(metrics.requests.read).toBe(6);
    const none = await open(0);
    for (let time = 0; time < 3; time += 1) await none.view.read(0, Buffer.alloc(1));
    expect(none.metrics.requests.read).toBe(3);
  });

  it('reads the same into memory that threads share, out of the log and out of runs, and names what is damaged', async () => {
    const large = await WriterBench.create([12 * MIB]);
    const [disk] = large.source.disks;
    const { writer } = await large.open({ checkpoint: { slots: 1 } });
    for (let offset = 0; offset < 10 * MIB; offset += MIB / 32)
      large.source.change(disk!, { offset, length: MIB / 32, kind: 'data', data: randomBytes(MIB / 32) });
    const made = await large.source.cut();
    await writer.append(made.content);
    const { content } = made.expected.get(disk!.id)!;
    const readShared = async (offset: number, length: number): Promise<Buffer> => {
      const view = await openView(await large.read(), made.pointId!, disk!.id);
      const target = Buffer.from(new SharedArrayBuffer(length)).fill(7);
      await view.read(offset, target).finally(() => view.close());
      return target;
    };
    for (const length of [12 * MIB, 11 * MIB, 12 * MIB])
      expect((await readShared(MIB / 2, length - MIB)).equals(content.subarray(MIB / 2, length - MIB / 2))).toBe(true);
    expect(frameThreads.running).toBeGreaterThan(0);
    await compactMachine(large.vault, large.source.machineId, { minCuts: 1 });
    expect((await readShared(0, 12 * MIB)).equals(content)).toBe(true);
    for (const { name } of await large.objects('parts')) {
      const object = Buffer.from(await large.store.read(name));
      object[object.length - 1000]! ^= 1;
      await large.store.delete(name);
      await large.store.create(name, object);
    }
    await expect(readShared(0, 12 * MIB)).rejects.toMatchObject({ code: 'DAMAGED', thing: expect.stringContaining('parts/') });
    await frameThreads.close();
    await large.close();
  });
});
