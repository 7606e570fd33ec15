import { createOutbox } from './outbox.ts';

interface Report {
  readonly revision: number;
  readonly events?: readonly number[];
}

describe('the outbox', () => {
  it('keeps the newest report with the events of those it replaced', () => {
    const outbox = createOutbox<Report>();
    outbox.put({ revision: 1, events: [1, 2] });
    outbox.put({ revision: 2 });
    outbox.put({ revision: 3, events: [3] });
    expect(outbox.take()).toEqual({ revision: 3, events: [1, 2, 3] });
    expect(outbox.take()).toBeUndefined();
    outbox.put({ revision: 4 });
    expect(outbox.take()).toEqual({ revision: 4 });
  });

  it('is bounded, and loses the oldest events', () => {
    const outbox = createOutbox<Report>();
    for (let event = 0; event < 10_000; event++) outbox.put({ revision: event, events: [event] });
    const { events } = outbox.take()!;
    expect([events?.length, events?.[0], events?.at(-1)]).toEqual([256, 9744, 9999]);
  });

  it('wakes who waits', async () => {
    const outbox = createOutbox<Report>();
    const waiting = outbox.filled().then(() => outbox.take());
    outbox.put({ revision: 1 });
    expect(await waiting).toEqual({ revision: 1 });
    const nothing = outbox.filled().then(() => outbox.take());
    outbox.wake();
    expect(await nothing).toBeUndefined();
  });
});
