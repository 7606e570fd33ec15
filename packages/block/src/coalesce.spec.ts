import fc from 'fast-check';
import { coalesce } from './coalesce.ts';

test('every call gets a run that began after it, runs never overlap and are few', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(fc.nat(3), { maxLength: 20 }), async (scheduler, pauses) => {
      let runs = 0;
      let running = false;
      const call = coalesce(async () => {
        expect(running).toBe(false);
        running = true;
        runs += 1;
        await scheduler.schedule(Promise.resolve());
        running = false;
      });
      const calls: Promise<void>[] = [];
      for (const pause of pauses) {
        const before = runs;
        calls.push(
          call().then(() => {
            expect(runs).toBeGreaterThan(before);
          }),
        );
        for (let tick = 0; tick < pause; tick += 1) await Promise.resolve();
        if (pause === 3 && scheduler.count() > 0) await scheduler.waitOne();
      }
      await scheduler.waitFor(Promise.all(calls));
      expect(runs).toBeLessThanOrEqual(pauses.length);
    }),
  );
});

test('calls during a run share the next one', async () => {
  const runs: PromiseWithResolvers<void>[] = [];
  const call = coalesce(() => {
    const run = Promise.withResolvers<void>();
    runs.push(run);
    return run.promise;
  });
  const first = call();
  const later = [call(), call(), call()];
  expect(runs).toHaveLength(1);
  runs[0]!.reject(new Error('failed'));
  await expect(first).rejects.toThrow('failed');
  runs[1]!.resolve();
  await Promise.all(later);
  expect(runs).toHaveLength(2);
});
