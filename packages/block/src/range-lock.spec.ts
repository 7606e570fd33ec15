import fc from 'fast-check';
import { createRangeLock, type RangeLock } from './range-lock.ts';

/** Runs calls of random length at once; overlapping ones must come in order and apart, others need not wait. */
const exclusion = (create: () => RangeLock) =>
  fc.asyncProperty(fc.scheduler(), fc.array(fc.tuple(fc.nat(20), fc.nat(5)), { maxLength: 20 }), async (scheduler, ranges) => {
    const lock = create();
    const inside = new Set<number>();
    const done: number[] = [];
    const overlaps = (a: number, b: number): boolean =>
      ranges[a]![0] <= ranges[b]![0] + ranges[b]![1] && ranges[b]![0] <= ranges[a]![0] + ranges[a]![1];
    const calls = ranges.map(([first, length], index) =>
      lock.run(first, first + length, async () => {
        for (const other of inside) if (overlaps(index, other)) throw new Error(`${index} and ${other} at once`);
        for (let other = 0; other < index; other += 1) {
          if (overlaps(index, other) && !done.includes(other)) throw new Error(`${index} before ${other}`);
        }
        inside.add(index);
        await scheduler.schedule(Promise.resolve());
        inside.delete(index);
        done.push(index);
      }),
    );
    await scheduler.waitFor(Promise.all(calls));
  });

test('overlapping calls take turns in order', async () => {
  await fc.assert(exclusion(createRangeLock));
});

test('a lock that does nothing is noticed', async () => {
  await expect(fc.assert(exclusion(() => ({ run: (_first, _last, work) => work() })))).rejects.toThrow();
});

test('calls on other ranges do not wait, and a failed call lets the next one in', async () => {
  const lock = createRangeLock();
  const stuck = Promise.withResolvers<void>();
  const first = lock.run(0, 9, () => stuck.promise);
  await lock.run(10, 20, async () => {});
  const second = lock.run(9, 10, async () => 'in');
  stuck.reject(new Error('failed'));
  await expect(first).rejects.toThrow('failed');
  await expect(second).resolves.toBe('in');
});
