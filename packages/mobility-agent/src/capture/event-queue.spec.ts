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

  test('hands on what it was told, of each kind and in any number', () => {
    const queue = createEventQueue();
    const told: unknown[][] = [];
    const seen: unknown[][] = [];
    const tell =
      (to: unknown[][], kind: string) =>
      (...values: unknown[]): void =>
        void to.push([kind, ...values]);
    const kinds = ['issued', 'requeued', 'completed', 'discardQueued', 'discardEnded', 'queued', 'ended'] as const;
    const sink = Object.fromEntries(kinds.map((kind) => [kind, tell(seen, kind)])) as never;
    const say = (kind: (typeof kinds)[number], time: number): void => {
      const place = [time % 500, (2 ** 45 + time) * 512, 4096 + time];
      const values =
        kind === 'discardEnded'
          ? [place[0], place[2], time, true]
          : ['completed', 'queued', 'ended'].includes(kind)
            ? [...place, time, time % 2 === 0]
            : [...place, time];
      tell(told, kind)(...values);
      (queue[kind] as (...all: unknown[]) => void)(...values);
    };
    for (let time = 0; time < 10_000; time += 1) say(kinds[time % kinds.length]!, time);
    queue.forget(7);
    queue.deliver(4999, sink);
    queue.deliver(Number.POSITIVE_INFINITY, sink);
    expect(seen).toEqual(told.filter(([, disk]) => disk !== 7));
  });
});
