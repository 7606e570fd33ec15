import fc from 'fast-check';
import type { RecoveryPoint } from './history.ts';
import type { PointChange } from './point-changes.ts';
import { unusualWriting } from './write-signal.ts';

const MIB = 1024 * 1024;
const MINUTE = 60_000;

/** What a machine wrote in a minute: MiB, and the share of it that does not compress. */
type Minute = readonly [mib: number, share: number];

const changesOf = (minutes: readonly Minute[], changed: Partial<PointChange> = {}): PointChange[] =>
  minutes.map(([mib, share], at) => ({
    point: { id: String(at), time: Date.UTC(2026, 10, 1) + at * MINUTE } as RecoveryPoint,
    dataBytes: mib * MIB,
    zeroBytes: 0,
    storedBytes: mib * MIB * (share + (1 - share) / 3),
    incompressibleBytes: mib * share * MIB,
    isCopy: false,
    isWhole: true,
    ...changed,
  }));

/** A generator of numbers that is the same each time. */
const chance = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

/** Minutes of a machine at work. */
const MACHINES: Readonly<Record<string, (at: number, random: () => number) => Minute>> = {
  idle: (_, random) => [random() < 0.05 ? 0.2 : 0, 0.1],
  'a database': (at, random) => [5 + 20 * random() + (at % 5 === 0 ? 40 : 0), 0.1 + 0.2 * random()],
  'a mail server': (_, random) => [1 + 8 * random(), 0.4 + 0.4 * random()],
  'a video recorder': (_, random) => [60 + 5 * random(), 0.98],
  'a machine with a nightly archive': (at, random) =>
    at % 1440 >= 120 && at % 1440 < 140 ? [300 + 50 * random(), 0.97] : [2 * random(), 0.2],
  'a machine that is upgraded now and then': (at, random) => (at % 2000 > 1990 ? [80 + 40 * random(), 0.35] : [2 * random(), 0.2]),
};

const work = (name: string, minutes: number, seed = 1): Minute[] => {
  const random = chance(seed);
  return Array.from({ length: minutes }, (_, at) => MACHINES[name]!(at, random));
};

describe('writing as never before', () => {
  it.each(Object.keys(MACHINES))('is not found on %s that goes on as it was', (name) => {
    // Two days to learn, of which the first archive is one.
    const found = unusualWriting(changesOf(work(name, 6 * 1440)));
    expect(found.filter(({ first }) => Number(first.point.id) > 1500)).toEqual([]);
  });

  it.each(Object.keys(MACHINES))('is found on %s when its files are encrypted, with the last point before', (name) => {
    const calm = work(name, 3 * 1440 + 700);
    // On top of what it does anyway. It can hide behind what is usual: one that is no faster than four archives of every night would not be found.
    const rate = name.includes('archive') ? 1600 : 400;
    const attack = work(name, 40, 2).map(([mib, share]): Minute => [mib + rate, (mib * share + rate * 0.99) / (mib + rate)]);
    const found = unusualWriting(changesOf([...calm, ...attack])).filter(({ first }) => Number(first.point.id) > 3 * 1440);
    expect(found).toHaveLength(1);
    const began = Number(found[0]!.first.point.id) - calm.length;
    expect(began).toBeGreaterThanOrEqual(-5);
    expect(began).toBeLessThan(5);
    expect(Number(found[0]!.before!.point.id)).toBe(Number(found[0]!.first.point.id) - 1);
    expect(Number(found[0]!.last.point.id)).toBe(calm.length + 39);
  });

  it('is a new archive the first night, and not the second', () => {
    const found = unusualWriting(changesOf(work('a machine with a nightly archive', 5 * 1440)));
    expect(found.map(({ first, last }) => [Number(first.point.id), Number(last.point.id)])).toEqual([[120, 139]]);
  });

  it('that goes on for a day is one', () => {
    const found = unusualWriting(changesOf([...work('a database', 1440), ...Array.from({ length: 1440 }, (): Minute => [200, 0.99])]));
    expect(found).toHaveLength(1);
    expect(Number(found[0]!.last.point.id)).toBeGreaterThan(2100);
  });

  it('is no matter of much that compresses, of little, of copies, or of what was not measured', () => {
    const calm = work('idle', 1440);
    const burst = (mib: number, share: number) => [...calm, ...Array.from({ length: 10 }, (): Minute => [mib, share])];
    expect(unusualWriting(changesOf(burst(500, 0.3)))).toEqual([]);
    expect(unusualWriting(changesOf(burst(2, 1)))).toEqual([]);
    expect(unusualWriting(changesOf(burst(500, 1), { isCopy: true }))).toEqual([]);
    expect(unusualWriting(changesOf(burst(500, 1), { incompressibleBytes: undefined }))).toEqual([]);
    expect(unusualWriting(changesOf(burst(500, 1)))).toHaveLength(1);
  });

  it('is nothing a machine can be said to do within its first hour', () => {
    expect(unusualWriting(changesOf(Array.from({ length: 50 }, (): Minute => [500, 1])))).toEqual([]);
  });

  it('is looked for in whatever order clocks tell', () => {
    const minute = fc.tuple(fc.nat(1000), fc.double({ min: 0, max: 1, noNaN: true }));
    fc.assert(
      fc.property(
        fc.array(minute, { maxLength: 200 }),
        fc.array(fc.integer({ min: -1e9, max: 1e9 }), { minLength: 1, maxLength: 20 }),
        (minutes, jumps) => {
          const changes = changesOf(minutes).map((change, at) => ({
            ...change,
            point: { ...change.point, time: change.point.time + jumps[at % jumps.length]! },
          }));
          for (const { first, last } of unusualWriting(changes)) expect(changes.indexOf(first)).toBeLessThanOrEqual(changes.indexOf(last));
        },
      ),
      { numRuns: 100 },
    );
  });
});
