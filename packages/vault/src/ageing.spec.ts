import { create } from '@bufbuild/protobuf';
import { type Ageing, CatalogueSchema, PointSchema } from '@holdfast/protocol';
import fc from 'fast-check';
import { aged, cameBy, isAgeing } from './ageing.ts';
import { type DatedPoint, keptPoints, RETENTION_PRESETS } from './retention.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 1);
const POINT = create(PointSchema);

/** A version that covers so many cuts, published upon one with that ageing. */
const versionOf = (version: number, cuts: number, ageing?: Ageing) => ({
  version,
  catalogue: create(CatalogueSchema, { cuts: BigInt(cuts), ...(ageing && { ageing }) }),
});
const step = (ageing: Ageing | undefined, version: number, cuts: number, created: ReadonlyMap<number, number>): Ageing | undefined => {
  const upon = versionOf(version, cuts, ageing);
  return aged(upon.catalogue, upon, created).ageing;
};

/** A time in hours since the start; by which the clock is off then, in hours. */
interface Jump {
  readonly from: number;
  readonly hours: number;
  readonly off: number;
}
/** What somebody else appends: when, and of which hours it says to be. */
interface Forgery {
  readonly at: number;
  readonly says: readonly number[];
}
interface World {
  readonly sourceClock?: readonly Jump[];
  readonly bothClocks?: readonly Jump[];
  readonly forgeries?: readonly Forgery[];
  /** Ages by what points say alone. */
  readonly isCredulous?: boolean;
}

const LENGTH = 22 * 24;
const POLICY = RETENTION_PRESETS['15d'];
const offAt = (jumps: readonly Jump[] = [], hour: number): number =>
  jumps.reduce((sum, { from, hours, off }) => (hour >= from && hour < from + hours ? sum + off : sum), 0);

/** True points that are gone, and that somebody keeps who knows the truth; but those that came within two days before anything false. */
const lostIn = ({ sourceClock, bothClocks, forgeries = [], isCredulous = false }: World): number => {
  let points: (DatedPoint & { readonly cut: number; readonly made: number | undefined })[] = [];
  let truth: DatedPoint[] = [];
  let ageing: Ageing | undefined;
  const created = new Map<number, number>();
  let cut = 0;
  const lost = new Set<string>();
  const wrong = [...(sourceClock ?? []), ...(bothClocks ?? [])];
  const falseHours = [...wrong.flatMap(({ from, hours }) => [from, from + hours]), ...forgeries.map(({ at }) => at)];
  const isJudged = (hour: number): boolean =>
    offAt(wrong, hour) === 0 && falseHours.every((at) => hour > at || at - hour > 48) && hour < LENGTH;
  const add = (id: string, time: number, made?: number): void => {
    points.push({ id, time, point: POINT, came: 0, cut, made });
    cut += 1;
  };
  for (let hour = 0; hour < LENGTH; hour += 1) {
    const both = offAt(bothClocks, hour);
    add(`${hour}`, START + (hour + both + offAt(sourceClock, hour)) * HOUR, hour);
    truth.push({ id: `${hour}`, time: START + hour * HOUR, point: POINT, came: hour * HOUR });
    for (const { at, says } of forgeries) if (at === hour) for (const [i, said] of says.entries()) add(`${hour} ${i}`, START + said * HOUR);
    created.set(hour + 1, START + (hour + both) * HOUR);
    ageing = step(ageing, hour + 1, cut, created);
    const came = cameBy(ageing);
    const dated = points.map((point) => ({ ...point, came: isCredulous ? point.cut * 100 * DAY : came(point.cut) }));
    const kept = keptPoints(dated, POLICY);
    points = points.filter(({ id }) => kept.has(id));
    const wanted = keptPoints(truth, POLICY);
    truth = truth.filter(({ id }) => wanted.has(id));
    for (const { id } of truth) if (isJudged(Number(id)) && !kept.has(id)) lost.add(id);
  }
  return lost.size;
};

const jump = fc.record({
  from: fc.integer({ min: 1, max: LENGTH - 40 }),
  hours: fc.integer({ min: 1, max: 30 }),
  off: fc.oneof(fc.integer({ min: 4 * 24, max: 800 * 24 }), fc.integer({ min: -800 * 24, max: -4 * 24 })),
});
const forgery = fc.record({
  at: fc.integer({ min: 10 * 24, max: LENGTH - 30 }),
  says: fc.array(fc.integer({ min: -100 * 24, max: 400 * 24 }), { minLength: 1, maxLength: 60 }),
});
/** Off by anything, also by little. */
const drift = fc.record({
  ...{ from: fc.nat(LENGTH - 40), hours: fc.integer({ min: 1, max: 60 }) },
  off: fc.integer({ min: -9000, max: 9000 }),
});

describe('how long points are in the vault', () => {
  it('keeps what is true, whatever a source or who may append says of times', () => {
    fc.assert(
      fc.property(fc.array(drift, { maxLength: 2 }), fc.array(forgery, { maxLength: 2 }), (sourceClock, forgeries) => {
        expect(lostIn({ sourceClock, forgeries })).toBe(0);
      }),
      { numRuns: 25 },
    );
  }, 120_000);

  it('keeps what is true where the clock of source and store jumps by days and back', () => {
    fc.assert(
      fc.property(fc.array(jump, { maxLength: 2 }), (bothClocks) => {
        expect(lostIn({ bothClocks })).toBe(0);
      }),
      { numRuns: 25 },
    );
  }, 120_000);

  it('is what that rests on: whoever believes the points alone loses nearly all', () => {
    const says = Array.from({ length: 40 }, (_, i) => 18 * 24 + (i % 2) * 60);
    expect(lostIn({ forgeries: [{ at: 18 * 24, says }] })).toBe(0);
    expect(lostIn({ forgeries: [{ at: 18 * 24, says }], isCredulous: true })).toBeGreaterThan(20);
  });

  it('takes marks in proportion to what they are for, and makes nobody older, nor much younger', () => {
    let ageing: Ageing | undefined;
    const created = new Map<number, number>();
    const cuts = 20_000;
    for (let version = 1; version <= cuts; version += 1) {
      created.set(version, START + version * HOUR);
      created.delete(version - 5);
      ageing = step(ageing, version, version, created);
    }
    expect(ageing!.marks.length).toBeLessThan(220);
    expect(isAgeing(ageing!, BigInt(cuts))).toBe(true);
    const came = cameBy(ageing);
    const newest = cameBy(ageing)(cuts - 1);
    for (let cut = 0; cut < cuts; cut += 1) {
      const age = newest - came(cut);
      const truly = (cuts - 1 - cut) * HOUR;
      expect(age <= truly && age >= truly * (1 - 1 / 16) - HOUR).toBe(true);
    }
  });

  it('counts each step that the store shows between two marks, and none of more than three days', () => {
    const created = new Map([
      [1, START],
      [2, START + 2 * DAY],
      [3, START + 4 * DAY],
      [4, START + 400 * DAY],
      [5, START + 5 * DAY],
      [6, START + 6 * DAY],
    ]);
    const first = step(undefined, 1, 10, created);
    const marks = (ageing: Ageing | undefined) =>
      ageing?.marks.map(({ cuts, elapsedMillis }) => [Number(cuts), Number(elapsedMillis) / DAY]);
    expect(marks(first)).toEqual([[10, 0]]);
    expect(marks(step(first, 6, 20, created))).toEqual([
      [10, 0],
      [20, 5],
    ]);
    // Nothing came since, or nobody knows when: there is nothing to say.
    expect(step(first, 6, 10, created)).toEqual(first);
    expect(step(first, 7, 20, created)).toEqual(first);
    expect(step(undefined, 7, 20, created)).toBeUndefined();
  });

  it('is refused where it contradicts itself', () => {
    const good = step(step(undefined, 1, 10, new Map([[1, START]])), 2, 20, new Map([[2, START + HOUR]]))!;
    expect(isAgeing(good, 20n)).toBe(true);
    expect(isAgeing(good, 19n)).toBe(false);
    expect(isAgeing({ ...good, marks: good.marks.toReversed() }, 20n)).toBe(false);
    expect(isAgeing({ ...good, marks: [] }, 20n)).toBe(false);
    expect(isAgeing({ ...good, createdUnixMillis: 1n << 60n }, 20n)).toBe(false);
  });
});
