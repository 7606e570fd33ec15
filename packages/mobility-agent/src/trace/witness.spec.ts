import fc from 'fast-check';
import { takeReadings } from './witness.ts';

/** A disk in a time of its own: requests are traced at one instant, counted at a later one; a reading takes some time too. */
interface Request {
  readonly traced: number;
  readonly counted: number;
  readonly sectors: number;
  /** Does not appear in the trace. */
  readonly lost?: boolean;
  /** Does not appear in the counter. */
  readonly uncounted?: boolean;
}

const READING = 10;
const BEFORE_ATTACH = 1000;

const observe = (requests: readonly Request[], start: number): { lower: number; upper: number; quiet: number } => {
  let clock = start;
  const now = (): number => clock;
  const count = (): number => {
    // The counter is looked at somewhere within the reading.
    clock += READING / 2;
    const at = clock;
    clock += READING / 2;
    return BEFORE_ATTACH + sum(requests.filter(({ counted, uncounted }) => counted <= at && !uncounted));
  };
  const readings = takeReadings(now, count);
  const traced = requests.filter(({ lost }) => !lost);
  for (const { traced: time, sectors } of traced) if (time > readings.first) readings.late(time, sectors);
  return { lower: readings.lower(sum(traced)), upper: readings.upper(sum(traced)), quiet: readings.quiet() };
};

const sum = (requests: readonly Request[]): number => requests.reduce((total, { sectors }) => total + sectors, 0);

const request = fc
  .record({ traced: fc.nat(1000), gap: fc.integer({ min: 0, max: 3 }), sectors: fc.integer({ min: 1, max: 100 }) })
  .map(({ traced, gap, sectors }): Request => ({ traced, counted: traced + gap, sectors }));
const requests = fc.array(request, { maxLength: 40 });
const start = fc.nat(1000);

describe('readings', () => {
  it('never put the trace behind the counter when nothing is missing', () => {
    fc.assert(fc.property(requests, start, (all, from) => observe(all, from).lower <= BEFORE_ATTACH));
  });

  it('reach the baseline exactly on an idle disk', () => {
    fc.assert(
      fc.property(requests, (all) => {
        expect(observe(all, 2000)).toEqual({ lower: BEFORE_ATTACH, upper: BEFORE_ATTACH, quiet: 8 });
      }),
    );
  });

  it('reach the baseline when one reading meets no request between the two steps', () => {
    fc.assert(
      fc.property(requests, start, (all, from) => {
        const instants = Array.from({ length: 8 }, (_, sample) => from + sample * READING);
        fc.pre(instants.some((instant) => all.every(({ traced, counted }) => counted <= instant || traced > instant)));
        expect(observe(all, from).upper).toBeGreaterThanOrEqual(BEFORE_ATTACH);
      }),
    );
  });

  it('show to the sector what the trace misses', () => {
    fc.assert(
      fc.property(requests, request, (all, missing) => {
        expect(observe([...all, { ...missing, lost: true }], 2000).lower).toBe(BEFORE_ATTACH + missing.sectors);
      }),
    );
  });

  it('show to the sector what was not counted', () => {
    fc.assert(
      fc.property(requests, request, (all, missing) => {
        expect(observe([...all, { ...missing, uncounted: true }], 2000).upper).toBe(BEFORE_ATTACH - missing.sectors);
      }),
    );
  });

  it('are not quiet while requests complete', () => {
    const busy = Array.from({ length: 200 }, (_, at) => ({ traced: at, counted: at, sectors: 1 }));
    expect(observe(busy, 50).quiet).toBe(0);
  });
});
