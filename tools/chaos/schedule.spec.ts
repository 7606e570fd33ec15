import fc from 'fast-check';
import { createSchedule, createTour, type ScheduledEvent } from './schedule.ts';

const OFFER = {
  steps: { write: { weight: 5 }, cut: { weight: 1 }, never: { weight: 0 } },
  faults: { kill: { weight: 1 }, stall: { weight: 1 } },
};

const take = (seed: number, count: number): ScheduledEvent[] => {
  const schedule = createSchedule(seed, OFFER);
  return Array.from({ length: count }, () => schedule.next().value);
};

const seeds = fc.nat(0xffff_ffff);

describe('a tour', () => {
  it('lets every kind happen once, with a verification behind each, in an order of its seed', () => {
    const tours = [1, 2, 1].map((seed) => [...createTour(seed, OFFER)]);
    for (const tour of tours) {
      const names = tour.filter(({ kind }) => kind === 'fault').map(({ name }) => name);
      expect(names.toSorted()).toEqual(Object.keys(OFFER.faults).toSorted());
      expect(tour.map(({ kind }) => kind)).toEqual(names.flatMap(() => ['step', 'fault', 'verify']));
    }
    expect(tours[2]).toEqual(tours[0]);
    const [only] = Object.keys(OFFER.faults);
    expect([...createTour(1, OFFER, [only!])].map(({ kind, name }) => (kind === 'fault' ? name : kind))).toEqual(['step', only, 'verify']);
  });
});

describe('a schedule', () => {
  it('is named by its seed', () => {
    fc.assert(fc.property(seeds, (seed) => expect(take(seed, 50)).toEqual(take(seed, 50))));
    expect(take(1, 50)).not.toEqual(take(2, 50));
  });

  it('does not depend on how far it is followed', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 60 }), (seed, count) =>
        expect(take(seed, 60).slice(0, count)).toEqual(take(seed, count)),
      ),
    );
  });

  it('is made of rounds: steps, one fault, perhaps steps, a verification', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const letters = take(seed, 200).map(({ kind }) => kind[0]);
        expect(letters.join('')).toMatch(/^(s{1,6}fs{0,3}v)+(s{0,6}|s{1,6}fs{0,3})$/);
      }),
    );
  });

  it('chooses by weight, everything that has one, and gives every event a seed of its own', () => {
    const events = take(7, 3000);
    const count = (name: string) => events.filter((event) => event.name === name).length;
    expect(count('write')).toBeGreaterThan(3 * count('cut'));
    expect(count('cut')).toBeGreaterThan(100);
    expect(count('never')).toBe(0);
    expect(Math.min(count('kill'), count('stall'))).toBeGreaterThan(100);
    expect(new Set(events.map(({ seed }) => seed)).size).toBeGreaterThan(2990);
    expect(events.map(({ index }) => index)).toEqual(events.map((_, position) => position + 1));
  });

  it('cannot be made of nothing', () => {
    expect(() => createSchedule(1, { steps: {}, faults: OFFER.faults }).next()).toThrow('nothing to choose from');
  });
});
