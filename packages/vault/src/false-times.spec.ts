import { createMemoryStore } from '@holdfast/object-store';
import { type KeepOptions, keepMachine } from './keep-machine.ts';
import { openLogWriter } from './log-writer.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { createTestVault } from './testing/open-test-vault.ts';
import { SimulatedSource } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SMALL = { limits: { size: 20_000, entries: 40 }, unitFrames: 16, fanIn: 4, minCuts: 4, thinAtOnce: 1, clock: fastClock };

describe('points with false times', () => {
  /** What the clock of the store shows, and how many milliseconds off it is. */
  let now: number;
  let off: number;
  let bench: WriterBench;
  /** By point, when it was truly made. */
  let truth: Map<string, number>;
  beforeEach(async () => {
    now = Date.UTC(2026, 0, 1);
    off = 0;
    truth = new Map();
    const store = createMemoryStore({ now: () => now + off });
    const source = new SimulatedSource([16 * 1024]);
    bench = new WriterBench(source, store, await createTestVault(source, store));
  });
  afterEach(() => bench.close());

  /** A point of that time, by whoever may append. */
  const append = async (...times: readonly number[]): Promise<string[]> => {
    const { source, vault } = bench;
    const ids: string[] = [];
    const writer = await openLogWriter(vault, source.machineId, { clock: fastClock, checkpoint: { slots: 1 } });
    for (const time of times) {
      source.write(source.disks[0]!, ids.length % 4, 1, (ids.length % 250) + 1);
      const { content, pointId } = await source.cut({ time });
      await writer.append(content);
      await settled();
      ids.push(pointId!);
    }
    await writer.close();
    return ids;
  };
  const keep = (options: KeepOptions = {}) => keepMachine(bench.vault, bench.source.machineId, { ...SMALL, policy: '15d', ...options });
  /** Hours of a source that makes a point in each, and of a keeper. */
  const live = async (hours: number, clock = () => now + off): Promise<void> => {
    for (let hour = 0; hour < hours; hour += 1) {
      now += HOUR;
      const [id] = await append(clock());
      truth.set(id!, now);
      await keep();
    }
  };
  /** Of the days and hours of the past, those of which a true point is left. */
  const left = async (): Promise<{ days: number; hours: number }> => {
    const { points } = await bench.read();
    const times = points.flatMap(({ id }) => truth.get(id) ?? []);
    return {
      days: new Set(times.map((time) => Math.floor(time / DAY))).size,
      hours: new Set(times.filter((time) => now - time < 72 * HOUR).map((time) => Math.floor(time / HOUR))).size,
    };
  };

  it('make no true ones old', async () => {
    await live(6 * 24);
    expect(await left()).toEqual({ days: 7, hours: 72 });
    // To and fro: each step forth would count as a pause of two days.
    await append(...Array.from({ length: 40 }, (_, i) => now + (i % 2) * 3 * DAY));
    for (let turn = 0; turn < 3; turn += 1) await keep();
    expect(await left()).toEqual({ days: 7, hours: 72 });
    await live(24);
    // For the hour in which they came one of them stands.
    expect(await left()).toEqual({ days: 8, hours: 71 });
  });

  it('stand for no hours and days that were long over when they came', async () => {
    await live(8 * 24);
    const hours = Array.from({ length: 8 * 24 }, (_, i) => now - i * HOUR);
    await append(...hours);
    await live(12);
    // But for the hour in which they came and two before.
    expect(await left()).toEqual({ days: 9, hours: 69 });
  });

  it.each([
    ['of its source', false],
    ['of a server that is source and store', true],
  ])('come of a clock %s that jumps a year ahead and back, and cost nothing', async (_, isStore) => {
    await live(6 * 24);
    if (isStore) off = 365 * DAY;
    await live(3, () => now + 365 * DAY);
    expect((await left()).days).toBe(7);
    off = 0;
    await live(24);
    const { days, hours } = await left();
    expect(days).toBe(8);
    expect(hours).toBeGreaterThanOrEqual(70);
  });
});
