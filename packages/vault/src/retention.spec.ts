import { create } from '@bufbuild/protobuf';
import { PointSchema } from '@holdfast/protocol';
import fc from 'fast-check';
import { keptPoints, RETENTION_PRESETS } from './retention.ts';

const HOUR = 3_600_000;
const START = 1_700_000_000_000 - (1_700_000_000_000 % (24 * HOUR));
const pointAt = (time: number, unreadable = 0n) => ({
  id: String(time),
  time,
  came: time,
  point: create(PointSchema, { unreadableBytes: unreadable }),
});
const every = (step: number, from: number, to: number) =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => pointAt(START + from + i * step));
const hours = (kept: ReadonlySet<string>): number[] => [...kept].map((id) => (Number(id) - START) / HOUR).sort((a, b) => a - b);

describe('retention', () => {
  it('keeps everything of two hours, then a point an hour, then a point a day', () => {
    const points = every(HOUR / 12, 0, 20 * 24 * HOUR);
    const newest = 20 * 24;
    const kept = hours(keptPoints(points, RETENTION_PRESETS['15d']));
    expect(kept.filter((hour) => hour >= newest - 2)).toHaveLength(25);
    const hourly = kept.filter((hour) => hour < newest - 2 && hour >= newest - 72);
    expect(hourly).toHaveLength(70);
    const daily = kept.filter((hour) => hour < newest - 72);
    expect(daily).toHaveLength(12);
    expect(new Set(daily.map((hour) => Math.floor(hour / 24))).size).toBe(12);
    expect(hours(keptPoints(points, RETENTION_PRESETS['24h']))[0]).toBeGreaterThanOrEqual(newest - 24);
    expect(hours(keptPoints(points, RETENTION_PRESETS['72h']))[0]).toBeGreaterThanOrEqual(newest - 72);
  });

  it('loses nothing while there are no new points, however long, nor by a clock that jumps', () => {
    const points = every(HOUR / 4, 0, 20 * HOUR);
    const before = keptPoints(points, RETENTION_PRESETS['24h']);
    const [later] = every(1, 60 * 24 * HOUR, 60 * 24 * HOUR);
    const after = keptPoints([...points, later!], RETENTION_PRESETS['24h']);
    // A month counts as six hours: of those before the last 18 hours are left, an hour each.
    expect(hours(after).filter((hour) => hour <= 20).length).toBeGreaterThan(15);
    expect(before.size).toBeGreaterThan(25);
    const back = [...points, ...every(HOUR / 4, -10 * HOUR, -8 * HOUR)];
    expect(hours(keptPoints(back, RETENTION_PRESETS['24h'])).filter((hour) => hour > 0).length).toBeGreaterThan(15);
  });

  it('lets nothing live for longer because it was thinned before', () => {
    let points: ReturnType<typeof pointAt>[] = [];
    for (let hour = 0; hour < 40 * 24; hour += 1) {
      points.push(pointAt(START + hour * HOUR));
      const kept = keptPoints(points, RETENTION_PRESETS['15d']);
      points = points.filter(({ id }) => kept.has(id));
    }
    expect((points.at(-1)!.time - points[0]!.time) / HOUR).toBeLessThanOrEqual(15 * 24);
    expect(points.length).toBeGreaterThan(72 + 10);
    expect(points.length).toBeLessThan(72 + 15);
  });

  it('always keeps the newest three, and the newest three without unreadable bytes', () => {
    const points = [
      ...every(100 * HOUR, 0, 500 * HOUR),
      pointAt(START + 600 * HOUR, 1n),
      pointAt(START + 700 * HOUR, 1n),
      pointAt(START + 800 * HOUR, 1n),
    ];
    expect(hours(keptPoints(points, { rules: [] }))).toEqual([300, 400, 500, 600, 700, 800]);
    expect(keptPoints([], { rules: [] }).size).toBe(0);
  });

  it('changes nothing when it is done again, and thins in steps to the same as at once', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 * HOUR }), { minLength: 1, maxLength: 80 }), (steps) => {
        let time = START;
        const points = steps.map((step) => {
          time += step;
          return pointAt(time);
        });
        const policy = {
          rules: [
            { every: 0, until: 6 * HOUR },
            { every: 2 * HOUR, until: 20 * HOUR },
            { every: 8 * HOUR, until: 100 * HOUR },
          ],
        };
        let gradual: typeof points = [];
        for (const point of points) {
          gradual.push(point);
          const kept = keptPoints(gradual, policy);
          expect(kept.has(point.id)).toBe(true);
          gradual = gradual.filter(({ id }) => kept.has(id));
          expect(keptPoints(gradual, policy).size).toBe(gradual.length);
        }
        // A point of every eight hours in which there was one is left, as far as they are young enough.
        const newest = points.at(-1)!.time;
        for (const { time: at } of points)
          if (newest - at < 40 * HOUR)
            expect(gradual.some((point) => Math.floor(point.time / (8 * HOUR)) === Math.floor(at / (8 * HOUR)))).toBe(true);
      }),
    );
  });
});
