import { createLimiter } from './limiter.ts';

test('so many run at once, the others follow in order, after failures too', async () => {
  const limit = createLimiter(2);
  const log: string[] = [];
  let running = 0;
  const calls = Array.from({ length: 6 }, (_, index) =>
    limit(async () => {
      running += 1;
      expect(running).toBeLessThanOrEqual(2);
      log.push(`start ${index}`);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      if (index === 1) throw new Error('failed');
      return index;
    }),
  );
  const results = await Promise.allSettled(calls);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled', 'fulfilled']);
  expect(log).toEqual([0, 1, 2, 3, 4, 5].map((index) => `start ${index}`));
});
