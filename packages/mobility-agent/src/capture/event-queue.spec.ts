import fc from 'fast-check';
import { createEventQueue } from './event-queue.ts';

describe('event queue', () => {
  test('hands on each event once, in order of time, never beyond the horizon', () => {
    const told = fc.array(fc.array(fc.nat(1000), { maxLength: 20 }), { maxLength: 6 });
    fc.assert(
      fc.property(told, fc.nat(1000), (drains, horizon) => {
        const queue = createEventQueue();
        const seen: number[] = [];
        const sink = {
          issued: () => undefined,
          requeued: () => undefined,
          completed: (_disk: number, _offset: number, _length: number, time: number) => void seen.push(time),
        };
        for (const drain of drains) for (const time of drain) queue.completed(0, time * 512, 512, time, false);
        queue.deliver(horizon, sink);
        const times = drains.flat().sort((a, b) => a - b);
        expect(seen).toEqual(times.filter((time) => time <= horizon));
        expect([...queue.changes()].map(({ offset }) => offset / 512)).toEqual(times.filter((time) => time > horizon));
        queue.deliver(Number.POSITIVE_INFINITY, sink);
        expect(seen).toEqual(times);
      }),
    );
  });
});
