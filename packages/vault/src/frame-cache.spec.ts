import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { type FaultPlan, withFaults } from '@holdfast/object-store';
import { type FrameCache, openFrameCache } from './frame-cache.ts';
import { readMachine } from './read-machine.ts';
import { throughStore } from './testing/open-test-vault.ts';
import type { MadeCut } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';
import { openView } from './view.ts';

const MIB = 1 << 20;

describe('the frame cache', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-frame-cache-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const files = (): string[] =>
    readdirSync(folder)
      .sort()
      .map((name) => join(folder, name));
  const stored = (): number => files().reduce((sum, file) => sum + statSync(file).size, 0);
  const frame = (number: number, bytes = 100_000): Buffer => Buffer.alloc(bytes, `frame ${number} `);
  /** Waits until what was given to it is written: closing does. */
  const reopen = async (cache: FrameCache, bytes?: number): Promise<FrameCache> => {
    await cache.close();
    return openFrameCache(folder, bytes === undefined ? {} : { bytes });
  };

  it('keeps frames over a restart, and never takes more room than it may', async () => {
    let cache = await openFrameCache(folder, { bytes: 16 * MIB });
    for (let number = 0; number < 400; number += 1) {
      cache.keep(`key ${number}`, frame(number));
      if (number % 100 !== 99) continue;
      await cache.close();
      expect(stored()).toBeLessThanOrEqual(16 * MIB);
      cache = await openFrameCache(folder, { bytes: 16 * MIB });
    }
    const kept: number[] = [];
    for (let number = 0; number < 400; number += 1) {
      const found = await cache.read(`key ${number}`);
      if (found === undefined) continue;
      kept.push(number);
      expect(frame(number).equals(found)).toBe(true);
    }
    // The newest ones, and most of what there is room for.
    expect(kept.at(-1)).toBe(399);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => 400 - kept.length + i));
    expect(kept.length).toBeGreaterThan(120);
    // With less room than before what is too much goes.
    cache = await reopen(cache, 17 * MIB);
    await cache.close();
    await expect(openFrameCache(folder, { bytes: MIB })).rejects.toMatchObject({ code: 'SETTING_INVALID' });
  });

  it('uses what a crash left of a file, and goes on behind it', async () => {
    let cache = await openFrameCache(folder);
    for (let number = 0; number < 5; number += 1) cache.keep(`key ${number}`, frame(number));
    await cache.close();
    const [file] = files();
    truncateSync(file!, statSync(file!).size - 10);
    cache = await openFrameCache(folder);
    expect(await cache.read('key 4')).toBeUndefined();
    expect(frame(3).equals((await cache.read('key 3'))!)).toBe(true);
    cache.keep('key 4', frame(4));
    cache = await reopen(cache);
    expect(frame(4).equals((await cache.read('key 4'))!)).toBe(true);
    await cache.close();
  });

  it('belongs to one process at a time, and closes when the last user let go', async () => {
    const cache = await openFrameCache(folder);
    await expect(openFrameCache(folder)).rejects.toMatchObject({ code: 'DEVICE_IN_USE' });
    const [first, second] = [cache.use(), cache.use()];
    let isClosed = false;
    const closing = cache.close().then(() => {
      isClosed = true;
    });
    first();
    first();
    await new Promise(setImmediate);
    expect(isClosed).toBe(false);
    second();
    await closing;
    await (await openFrameCache(folder)).close();
  });

  describe('under views', () => {
    let bench: WriterBench;
    let cuts: MadeCut[];
    let plan: FaultPlan;
    let frameReads = 0;
    beforeEach(async () => {
      bench = await WriterBench.create();
      cuts = await bench.cuts(6);
      const { writer } = await bench.open();
      for (const { content } of cuts) await writer.append(content);
      frameReads = 0;
      plan = () => undefined;
    });
    afterEach(() => bench.close());

    const away = new HoldfastError('STORE_UNAVAILABLE', { thing: 'store', why: 'it is away', remedy: 'wait' });
    /** A disk at a point, read whole through the cache; requests for frames are counted, those for heads of objects are not. */
    const readAll = async (cache: FrameCache, { pointId, expected }: MadeCut, disk = bench.source.disks[0]!): Promise<boolean> => {
      const counting = withFaults(bench.store, (call) => plan(call));
      const vault = await throughStore(counting);
      const history = await readMachine(vault, bench.source.machineId);
      const view = await openView(history, pointId!, disk.id, { cacheBytes: 0, frameCache: cache });
      plan = ({ request }) => {
        if (request === 'read') frameReads += 1;
        return undefined;
      };
      const content = Buffer.alloc(view.size);
      await view.read(0, content);
      await view.close();
      plan = () => undefined;
      return content.equals(expected.get(disk.id)!.content);
    };

    it('spares the store what one of them has read, over a restart too, and holds nothing in the plain', async () => {
      let cache = await openFrameCache(folder);
      expect(await readAll(cache, cuts[5]!)).toBe(true);
      expect(frameReads).toBeGreaterThan(0);
      cache = await reopen(cache);
      frameReads = 0;
      expect(await readAll(cache, cuts[5]!)).toBe(true);
      await cache.close();
      expect(frameReads).toBe(0);
      // A block of one byte, as the source wrote them, would be easy to see.
      const content = Buffer.concat(files().map((file) => readFileSync(file)));
      for (let fill = 0; fill < 256; fill += 1) expect(content.includes(Buffer.alloc(64, fill))).toBe(false);
    });

    it('is read around wherever a bit of it flipped; without the store nothing wrong is served either', async () => {
      const cache = await openFrameCache(folder);
      await readAll(cache, cuts[5]!);
      await cache.close();
      const [file] = files();
      const whole = readFileSync(file!);
      let found = 0;
      for (let at = 0; at < whole.length; at += 1 + Math.floor(whole.length / 60)) {
        const flipped = Buffer.from(whole);
        flipped[at]! ^= 1 << (at % 8);
        writeFileSync(file!, flipped);
        const damaged = await openFrameCache(folder);
        frameReads = 0;
        expect(await readAll(damaged, cuts[5]!)).toBe(true);
        if (frameReads > 0) found += 1;
        // What was read around is good again.
        frameReads = 0;
        expect(await readAll(damaged, cuts[5]!)).toBe(true);
        await damaged.close();
      }
      expect(found).toBeGreaterThan(40);
    });

    it('does not hide that the store is damaged, nor stand for it when it is away', async () => {
      const cache = await openFrameCache(folder);
      const history = await bench.read();
      const disk = bench.source.disks[0]!;
      const view = await openView(history, cuts[5]!.pointId!, disk.id, { cacheBytes: 0, frameCache: cache });
      const vault = await throughStore(withFaults(bench.store, (call) => plan(call)));
      const other = await openView(await readMachine(vault, bench.source.machineId), cuts[5]!.pointId!, disk.id, { frameCache: cache });
      plan = () => ({ before: away });
      await expect(other.read(0, Buffer.alloc(4096))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      await view.read(0, Buffer.alloc(view.size));
      await other.close();
      await view.close();
      await cache.close();
    });
  });
});
