import { createEventPace } from './event-pace.ts';

describe('events of members', () => {
  it('are written down up to a number a minute, and those left out are spoken of once', () => {
    let now = 0;
    const pace = createEventPace(() => now);
    expect(pace.take('a', Array(60).fill('x'))).toMatchObject({ told: { length: 60 }, leftOut: 0 });
    expect(pace.take('a', Array(60).fill('x'))).toMatchObject({ told: { length: 4 }, leftOut: 0 });
    expect(pace.take('a', ['x'])).toEqual({ told: [], leftOut: 0 });
    expect(pace.take('b', ['x'])).toEqual({ told: ['x'], leftOut: 0 });
    now = 60_000;
    expect(pace.take('a', ['x'])).toEqual({ told: ['x'], leftOut: 57 });
    expect(pace.take('a', ['x'])).toEqual({ told: ['x'], leftOut: 0 });
    // In the long run no more than the pace.
    let told = 0;
    for (let step = 0; step < 600; step += 1) {
      now += 1000;
      told += pace.take('a', Array(32).fill('x')).told.length;
    }
    expect(told).toBeLessThanOrEqual(28 + 300);
    expect(told).toBeGreaterThan(250);
  });
});
