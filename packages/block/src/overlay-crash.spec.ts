import fc from 'fast-check';
import type { BlockDevice } from './block-device.ts';
import { createMemoryDevice } from './memory-device.ts';
import { assembleOverlay } from './overlay-device.ts';
import { overlayLayout } from './overlay-header.ts';
import { loadKeeper, type OverlayKeeper } from './overlay-keeper.ts';

// What a kept overlay promises, checked by stopping it before any call on its file: after the end of the process every completed write
// is there; after a power loss every flushed write is there, and what was not flushed is old, new, or mixed by sectors, but nothing else.

const SECTOR = 512;
const DISK = 6 * 4096 + 100;
const LAYOUT = overlayLayout(DISK);
const BASE_BYTE = 250;

/** A file whose machine can stop: before call number `calls` it stops answering for ever. */
class CrashableFile implements BlockDevice {
  readonly size = LAYOUT.size;
  readonly readOnly = false;
  calls: number;
  readonly #flushes: (count: number) => boolean;
  #flushCount = 0;
  // Every content a sector may have after a power loss, the newest last; absent: zeroes for sure.
  readonly #versions = new Map<number, Uint8Array[]>();

  constructor(calls: number, flushes: (count: number) => boolean = () => true) {
    this.calls = calls;
    this.#flushes = flushes;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    for (const { sector, within, from, length } of sectors(offset, target.length)) {
      const bytes = this.#versions.get(sector)?.at(-1) ?? new Uint8Array(SECTOR);
      target.set(bytes.subarray(within, within + length), from);
    }
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    await this.#step();
    for (const { sector, within, from, length } of sectors(offset, data.length)) {
      const versions = this.#versions.get(sector) ?? [new Uint8Array(SECTOR)];
      const next = versions.at(-1)!.slice();
      next.set(data.subarray(from, from + length), within);
      this.#versions.set(sector, [...versions, next]);
    }
    await this.#step();
  }

  async zero(offset: number, length: number): Promise<void> {
    await this.write(offset, new Uint8Array(length));
  }

  async flush(): Promise<void> {
    await this.#step();
    this.#flushCount += 1;
    if (!this.#flushes(this.#flushCount)) return;
    for (const [sector, versions] of this.#versions) this.#versions.set(sector, [versions.at(-1)!]);
    await this.#step();
  }

  async allocated(): Promise<[]> {
    return [];
  }

  async close(): Promise<void> {}

  /** Power comes back: each sector has one of its possible contents, as `pick` wants it. */
  losePower(pick: () => number): void {
    for (const [sector, versions] of this.#versions) this.#versions.set(sector, [versions[pick() % versions.length]!]);
    this.calls = Number.POSITIVE_INFINITY;
  }

  restartProgram(): void {
    this.calls = Number.POSITIVE_INFINITY;
  }

  async #step(): Promise<void> {
    this.calls -= 1;
    if (this.calls < 0) await new Promise(() => {});
    await Promise.resolve();
  }
}

function* sectors(offset: number, length: number): IterableIterator<{ sector: number; within: number; from: number; length: number }> {
  for (let from = 0; from < length; ) {
    const sector = Math.floor((offset + from) / SECTOR);
    const within = (offset + from) % SECTOR;
    const part = Math.min(SECTOR - within, length - from);
    yield { sector, within, from, length: part };
    from += part;
  }
}

type Step = { kind: 'write' | 'zero'; offset: number; length: number } | { kind: 'flush'; wait: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({
        kind: fc.constantFrom('write' as const, 'write' as const, 'zero' as const),
        offset: fc.oneof(
          fc.nat(DISK),
          fc.nat(6).map((block) => block * 4096),
        ),
        length: fc.oneof(fc.integer({ min: 1, max: 6000 }), fc.constantFrom(4096, 8192)),
      })
      .map((one) => ({ ...one, length: Math.min(one.length, DISK - one.offset) })),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('flush' as const), wait: fc.boolean() }) },
);

/** What each byte of the disk may be. A version is the number of the call that wrote it; 0 is the base. */
class Expectation {
  // Per byte, oldest first: the version that is safe against a power loss, then every later one.
  readonly #versions: number[][] = Array.from({ length: DISK }, () => [0]);
  readonly #completed: number[] = new Array<number>(DISK).fill(0);
  readonly #values = [BASE_BYTE];
  #underWay: { offset: number; length: number } | undefined;

  begin(offset: number, length: number, value: number): void {
    this.#underWay = { offset, length };
    const version = this.#values.push(value) - 1;
    for (let at = offset; at < offset + length; at += 1) this.#versions[at]!.push(version);
  }

  complete(): void {
    const { offset, length } = this.#underWay!;
    this.#completed.fill(this.#values.length - 1, offset, offset + length);
    this.#underWay = undefined;
  }

  /** All completed so far; to be handed to `flushed` when a flush that begins now has ended. */
  mark(): readonly number[] {
    return [...this.#completed];
  }

  flushed(mark: readonly number[]): void {
    mark.forEach((version, at) => {
      this.#versions[at] = this.#versions[at]!.filter((other) => other >= version);
    });
  }

  afterPowerLoss(at: number, value: number): boolean {
    return this.#versions[at]!.some((version) => this.#values[version] === value);
  }

  afterKill(at: number, value: number): boolean {
    if (value === this.#values[this.#completed[at]!]) return true;
    const now = this.#underWay;
    return now !== undefined && value === this.#values.at(-1) && at >= now.offset && at < now.offset + now.length;
  }
}

interface Variant {
  readonly flushes?: (count: number) => boolean;
  readonly keeper?: (keeper: OverlayKeeper) => OverlayKeeper;
}

const openOverlay = async (file: CrashableFile, bootId: string, { keeper: change = (keeper) => keeper }: Variant): Promise<BlockDevice> => {
  const base = createMemoryDevice(DISK);
  await base.write(0, new Uint8Array(DISK).fill(BASE_BYTE));
  const keeper = change(await loadKeeper(file, LAYOUT, DISK, bootId));
  return assembleOverlay({ name: 'overlay', base, file, dataAt: LAYOUT.dataAt, keeper, release: async () => {} });
};

const perform = async (device: BlockDevice, steps: readonly Step[], expected: Expectation): Promise<void> => {
  const flushes: Promise<void>[] = [];
  for (const [index, one] of steps.entries()) {
    if (one.kind === 'flush') {
      const mark = expected.mark();
      const flush = device.flush().then(() => expected.flushed(mark));
      if (one.wait) await flush;
      else flushes.push(flush);
    } else {
      const value = one.kind === 'zero' ? 0 : (index % 200) + 1;
      expected.begin(one.offset, one.length, value);
      if (one.kind === 'zero') await device.zero(one.offset, one.length);
      else await device.write(one.offset, new Uint8Array(one.length).fill(value));
      expected.complete();
    }
  }
  await Promise.all(flushes);
};

/** Works, stops in the middle, starts again, twice; compares with what was promised. */
const crashProperty = (crash: 'power' | 'kill', variant: Variant = {}) =>
  fc.asyncProperty(
    fc.array(step, { minLength: 1, maxLength: 12 }),
    fc.array(step, { maxLength: 6 }),
    fc.nat(60),
    fc.infiniteStream(fc.nat(5)),
    async (before, after, calls, picks) => {
      const file = new CrashableFile(Number.POSITIVE_INFINITY, variant.flushes);
      const expected = new Expectation();
      const first = await openOverlay(file, 'boot 0', variant);
      file.calls = calls;
      let ended = false;
      const work = perform(first, before, expected).then(() => {
        ended = true;
      });
      // Everything is made of resolved promises: when the event loop comes round, it has ended or stopped.
      await new Promise((resolve) => setImmediate(resolve));
      if (ended) await work;
      if (crash === 'power') file.losePower(() => picks.next().value as number);
      else file.restartProgram();
      const device = await openOverlay(file, crash === 'power' ? 'boot 1' : 'boot 0', variant);
      const found = new Uint8Array(DISK);
      await device.read(0, found);
      const wrong = found.findIndex(
        (value, at) => !(crash === 'power' ? expected.afterPowerLoss(at, value) : expected.afterKill(at, value)),
      );
      if (wrong >= 0) throw new Error(`byte ${wrong} is ${found[wrong]}`);

      // It goes on working: no trace of the crash may come up later.
      const model = found.slice();
      for (const one of after) {
        if (one.kind === 'flush') await device.flush();
        else if (one.kind === 'zero') {
          await device.zero(one.offset, one.length);
          model.fill(0, one.offset, one.offset + one.length);
        } else {
          await device.write(one.offset, new Uint8Array(one.length).fill(222));
          model.fill(222, one.offset, one.offset + one.length);
        }
      }
      await device.flush();
      file.losePower(() => picks.next().value as number);
      const last = await openOverlay(file, 'boot 2', variant);
      await last.read(0, found);
      if (Buffer.compare(found, model) !== 0) throw new Error('flushed data is gone after the second start');
    },
  );

test('a power loss takes nothing that was flushed and brings up nothing that was never written', async () => {
  await fc.assert(crashProperty('power'), { numRuns: 250 });
});

test('the end of the process takes nothing that was completed', async () => {
  await fc.assert(crashProperty('kill'), { numRuns: 250 });
});

test('a file that ignores flushes is noticed', async () => {
  await expect(fc.assert(crashProperty('power', { flushes: () => false }), { numRuns: 250 })).rejects.toThrow();
});

test('a map that may reach the disk before its data is noticed', async () => {
  // The first flush of each pair is the one that orders data before map.
  await expect(fc.assert(crashProperty('power', { flushes: (count) => count % 2 === 0 }), { numRuns: 250 })).rejects.toThrow();
});

test('a live map that is not kept up is noticed', async () => {
  const forgetful = (keeper: OverlayKeeper): OverlayKeeper => ({ map: keeper.map, flush: () => keeper.flush(), publish: async () => {} });
  await expect(fc.assert(crashProperty('kill', { keeper: forgetful }), { numRuns: 250 })).rejects.toThrow();
});
