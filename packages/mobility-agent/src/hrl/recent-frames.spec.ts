import { createRecentFrames } from './recent-frames.ts';
import type { RecordPlace } from './segmented-log.ts';

const placeAt = (offset: number) => ({ offset }) as RecordPlace;

describe('recent frames', () => {
  it('are kept as far as there is room, and given out once', () => {
    const recent = createRecentFrames(100);
    const [first, second, third] = [placeAt(0), placeAt(60), placeAt(120)];
    recent.keep(first, Buffer.alloc(60, 1));
    recent.keep(second, Buffer.alloc(60, 2));
    recent.keep(third, Buffer.alloc(40, 3));
    expect(recent.take(second)).toBeUndefined();
    expect(recent.take(first)).toEqual(Buffer.alloc(60, 1));
    expect(recent.take(first)).toBeUndefined();
    recent.keep(second, Buffer.alloc(60, 2));
    expect(recent.take(second)).toEqual(Buffer.alloc(60, 2));
  });

  it('make room when they are forgotten', () => {
    const recent = createRecentFrames(100);
    const places = [placeAt(0), placeAt(50)];
    for (const place of places) recent.keep(place, Buffer.alloc(50));
    recent.forget(places);
    expect(places.map((place) => recent.take(place))).toEqual([undefined, undefined]);
    recent.keep(placeAt(100), Buffer.alloc(100));
    expect(recent.take(placeAt(100))).toBeUndefined();
  });
});
