import { HoldfastError } from '@holdfast/errors';
import * as fc from 'fast-check';
import { createMemoryStore } from '../memory-store.ts';
import type { ObjectStore } from '../object-store.ts';
import { type FaultPlan, seededFaults, storeUnavailable, withFaults } from '../with-faults.ts';
import { withMetrics } from '../with-metrics.ts';
import { createFakeClock, type FakeClock } from './testing/fake-clock.ts';
import { type RetryOptions, withRetry } from './with-retry.ts';

const down = storeUnavailable('x', 'on purpose');
const refused = new HoldfastError('NO_PERMISSION', { thing: 'x', why: 'on purpose', remedy: 'none' });
const busyFor = (retryAfterMs: number): HoldfastError =>
  new HoldfastError('STORE_UNAVAILABLE', {
    thing: 'x',
    why: 'busy',
    remedy: 'wait',
    cause: Object.assign(new Error('busy'), { retryAfterMs }),
  });

/** Fails the requests whose numbers are given, before or after they took effect. */
const failing =
  (faults: Readonly<Record<number, { before?: Error; after?: Error }>>): FaultPlan =>
  ({ index }) =>
    faults[index];
const always =
  (error: Error): FaultPlan =>
  () => ({ before: error });

interface Setting {
  readonly inner: ObjectStore;
  readonly store: ObjectStore;
  readonly clock: FakeClock;
  readonly requests: Readonly<Record<string, number>>;
}

const setUp = (plan: FaultPlan, options: RetryOptions = {}, inner = createMemoryStore()): Setting => {
  const clock = createFakeClock();
  const { store, metrics } = withMetrics(withFaults(inner, plan));
  return { inner, clock, store: withRetry(store, { clock, random: () => 0, ...options }), requests: metrics.requests };
};

const settled = async <T>(clock: FakeClock, answer: Promise<T>): Promise<T> => {
  const ended = answer.then(
    () => {},
    () => {},
  );
  await clock.run();
  await ended;
  return answer;
};

describe('a store with retry', () => {
  it('asks again after failures that may pass, with doubling waits', async () => {
    const { store, clock, requests } = setUp(failing({ 0: { before: down }, 1: { before: down }, 2: { before: down } }));
    await settled(clock, store.create('a', Buffer.from('x')));
    expect(requests['create']).toBe(4);
    expect(clock.sleeps).toEqual([125, 250, 500]);
  });

  it('spreads the waits over their upper half', async () => {
    const draws = [0, 0.5, 0.999];
    const { store, clock } = setUp(always(down), { attempts: 4, random: () => draws.shift()! });
    await expect(settled(clock, store.stat('a'))).rejects.toThrow('(4 attempts in 1 s)');
    expect(clock.sleeps.map(Math.round)).toEqual([125, 375, 1000]);
  });

  it('never waits longer than the longest', async () => {
    const { store, clock } = setUp(always(down), { attempts: 20, deadline: Number.POSITIVE_INFINITY, backoff: { first: 100, most: 1000 } });
    await expect(settled(clock, store.stat('a'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(Math.max(...clock.sleeps)).toBe(500);
    expect(clock.sleeps).toHaveLength(19);
  });

  it('waits as long as the store asks for', async () => {
    const { store, clock } = setUp(failing({ 0: { before: busyFor(7000) } }));
    await settled(clock, store.create('a', Buffer.from('x')));
    expect(clock.sleeps).toEqual([7000]);
  });

  it('gives up at once when the store asks for more time than there is', async () => {
    const { store, clock, requests } = setUp(always(busyFor(400_000)));
    await expect(settled(clock, store.stat('a'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', why: 'busy' });
    expect(requests['stat']).toBe(1);
  });

  it('begins no attempt after the deadline', async () => {
    const { store, clock } = setUp(always(down), { attempts: 1000, deadline: 60_000 });
    const begun = clock.now();
    await expect(settled(clock, store.read('a'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(clock.now() - begun).toBeLessThanOrEqual(60_000);
    expect(clock.now() - begun).toBeGreaterThan(30_000);
  });

  it.each(['create', 'read', 'stat', 'delete'] as const)('does not repeat a %s that was refused for good', async (request) => {
    const { store, clock, requests } = setUp(always(refused));
    await expect(settled<unknown>(clock, store[request]('a', Buffer.from('x') as never))).rejects.toBe(refused);
    expect(requests[request]).toBe(1);
  });

  it('takes an object with its own content for its own after a lost answer', async () => {
    const { store, inner, clock } = setUp(failing({ 0: { after: down } }));
    await settled(clock, store.create('a', Buffer.from('mine')));
    expect(Buffer.from(await inner.read('a')).toString()).toBe('mine');
  });

  it.each(['theirs', 'min', 'mine too', ''])('does not take %j for its own', async (content) => {
    const { store, inner, clock } = setUp(failing({ 0: { before: down } }));
    await inner.create('a', Buffer.from(content));
    await expect(settled(clock, store.create('a', Buffer.from('mine')))).rejects.toMatchObject({ code: 'OBJECT_EXISTS' });
  });

  it('does not take even equal content for its own when every answer came', async () => {
    const { store, inner, clock, requests } = setUp(failing({}));
    await inner.create('a', Buffer.from('mine'));
    await expect(settled(clock, store.create('a', Buffer.from('mine')))).rejects.toMatchObject({ code: 'OBJECT_EXISTS' });
    expect(requests['read']).toBe(0);
  });

  it('asks again too when reading back fails', async () => {
    const { store, clock, requests } = setUp(failing({ 0: { after: down }, 2: { before: down } }));
    await settled(clock, store.create('a', Buffer.from('mine')));
    expect(requests).toMatchObject({ create: 2, read: 2 });
  });

  it('says that the object exists when it may not be read back', async () => {
    const { store, clock } = setUp(failing({ 0: { after: down }, 2: { before: refused } }));
    await expect(settled(clock, store.create('a', Buffer.from('mine')))).rejects.toMatchObject({ code: 'OBJECT_EXISTS' });
  });

  it('lists on from the last name after every break', async () => {
    const inner = createMemoryStore();
    const names = Array.from({ length: 30 }, (_, index) => `n/${index + 10}`);
    for (const name of names) await inner.create(name, Buffer.from('x'));
    let given = 0;
    const breaking: ObjectStore = Object.assign(Object.create(inner) as ObjectStore, {
      url: inner.url,
      list: async function* (prefix: string, options: { after?: string }) {
        for await (const info of inner.list(prefix, options)) {
          given += 1;
          if (given % 4 === 0) throw down;
          yield info;
        }
      },
    });
    const clock = createFakeClock();
    const store = withRetry(breaking, { clock, random: () => 0 });
    const seen: string[] = [];
    const listing = (async () => {
      for await (const { name } of store.list('n/', { after: 'n/10' })) seen.push(name);
    })();
    await settled(clock, listing);
    expect(seen).toEqual(names.slice(1));
    expect(clock.sleeps.length).toBeGreaterThan(5);
  });

  it('stops waiting when it is closed', async () => {
    const { store, clock } = setUp(always(down));
    const answer = store.stat('a');
    while (clock.sleeps.length === 0) await new Promise(setImmediate);
    await store.close();
    await expect(answer).rejects.toMatchObject({ code: 'INTERRUPTED', why: expect.stringContaining('on purpose') });
  });

  it('keeps creates exclusive under any faults, and lets nobody win whose content is not there', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 2, max: 5 }), async (seed, racers) => {
        const inner = createMemoryStore();
        const clock = createFakeClock();
        const outcomes = Array.from({ length: racers }, (_, racer) => {
          const faulty = withFaults(inner, seededFaults(seed + racer, { before: 0.2, after: 0.3 }));
          return withRetry(faulty, { clock, attempts: 5 })
            .create('slot', Buffer.from(`of ${racer}`))
            .then(
              () => 'won',
              ({ code }: HoldfastError) => code,
            );
        });
        await clock.run();
        const results = await Promise.all(outcomes);
        const held = await inner.read('slot').then(
          (content) => Number(Buffer.from(content).toString().slice(3)),
          () => -1,
        );
        for (const [racer, result] of results.entries()) {
          // Whoever was told anything definite was told the truth.
          if (result === 'won') expect(held).toBe(racer);
          if (result === 'OBJECT_EXISTS') expect(held).not.toBe(racer);
          expect(['won', 'OBJECT_EXISTS', 'STORE_UNAVAILABLE']).toContain(result);
        }
      }),
      { numRuns: 300 },
    );
  });
});
