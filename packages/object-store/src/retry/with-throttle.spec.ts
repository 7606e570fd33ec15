import { createMemoryStore } from '../memory-store.ts';
import { createFakeClock } from './testing/fake-clock.ts';
import { withThrottle } from './with-throttle.ts';

const object = new Uint8Array(1000);

describe('a store with a throttle', () => {
  it('lets objects out at the rate of the line, however many come at once', async () => {
    const clock = createFakeClock();
    const store = withThrottle(createMemoryStore({ now: clock.now }), { bytesPerSecond: 500, clock });
    const begun = clock.now();
    const creating = Promise.all(['a', 'b', 'c', 'd'].map((name) => store.create(name, object)));
    await clock.run();
    await creating;
    const instants: number[] = [];
    for await (const { created } of store.list('')) instants.push(created - begun);
    expect(instants).toEqual([0, 2000, 4000, 6000]);
  });

  it('counts what comes in apart, by what there was', async () => {
    const clock = createFakeClock();
    const store = withThrottle(createMemoryStore(), { bytesPerSecond: 500, clock });
    await store.create('a', object);
    await store.read('a', { offset: -500 });
    const reading = store.read('a');
    await clock.run();
    expect((await reading).length).toBe(1000);
    expect(clock.sleeps).toEqual([1000]);
  });

  it('saves nothing up while the line is idle', async () => {
    const clock = createFakeClock();
    const store = withThrottle(createMemoryStore(), { bytesPerSecond: 1000, clock });
    await store.create('a', object);
    void clock.sleep(60_000);
    await clock.run();
    const creating = Promise.all([store.create('b', object), store.create('c', object)]);
    await clock.run();
    await creating;
    expect(clock.sleeps).toEqual([60_000, 1000]);
  });

  it('follows a rate that changes', async () => {
    const clock = createFakeClock();
    let bytesPerSecond = Number.POSITIVE_INFINITY;
    const store = withThrottle(createMemoryStore(), { bytesPerSecond: () => bytesPerSecond, clock });
    for (const name of ['a', 'b', 'c']) await store.create(name, object);
    expect(clock.sleeps).toEqual([]);
    bytesPerSecond = 100;
    await store.create('d', object);
    const creating = store.create('e', object);
    await clock.run();
    await creating;
    expect(clock.sleeps).toEqual([10_000]);
  });

  it('stops waiting when it is closed', async () => {
    const clock = createFakeClock();
    const store = withThrottle(createMemoryStore(), { bytesPerSecond: 1, clock });
    await store.create('a', object);
    const waiting = store.create('b', object);
    await store.close();
    await expect(waiting).rejects.toMatchObject({ code: 'INTERRUPTED' });
  });

  it.each([0, -1, Number.NaN])('refuses a rate of %d', (bytesPerSecond) => {
    expect(() => withThrottle(createMemoryStore(), { bytesPerSecond })).toThrow('SETTING_INVALID');
  });
});
