import fc from 'fast-check';
import { createAllowance } from './allowance.ts';

const never = new AbortController().signal;

/** True when the promise is settled already. */
const isSettled = (promise: Promise<void>): Promise<boolean> =>
  Promise.race([promise.then(() => true), new Promise<boolean>((resolve) => setImmediate(() => resolve(false)))]);

describe('an allowance', () => {
  it('lets pass what was granted and nothing more', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 1000 })), { maxLength: 30 }), async (steps) => {
        const allowance = createAllowance(undefined, () => 0);
        let left = 0;
        for (const [isGrant, bytes] of steps) {
          if (isGrant) {
            allowance.grant(bytes);
            left += bytes;
          } else if (await isSettled(allowance.granted(bytes, never))) {
            expect(bytes).toBeLessThanOrEqual(left);
            allowance.spend(bytes);
            left -= bytes;
          } else expect(bytes).toBeGreaterThan(left);
          expect(allowance.credit).toBe(left);
        }
      }),
    );
  });

  it('wakes who waits for a grant, or for the end', async () => {
    const allowance = createAllowance();
    const enough = allowance.granted(100, never);
    allowance.grant(60);
    expect(await isSettled(enough)).toBe(false);
    allowance.grant(40);
    await enough;
    const end = new AbortController();
    const waiting = allowance.granted(1000, end.signal);
    end.abort();
    await waiting;
  });

  it('over any time sends no more than the pace and one message', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 10_000 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 1, max: 5000 })), { minLength: 1, maxLength: 40 }),
        async (pace, steps) => {
          let now = 0;
          const allowance = createAllowance(undefined, () => now);
          allowance.setPace(pace);
          let sent = 0;
          let largest = 0;
          for (const [pause, bytes] of steps) {
            now += pause;
            const end = new AbortController();
            const paced = allowance.paced(end.signal);
            if (await isSettled(paced)) {
              sent += bytes;
              largest = Math.max(largest, bytes);
              allowance.spend(bytes);
            }
            end.abort();
            await paced;
            expect(sent).toBeLessThanOrEqual((pace * now) / 1000 + largest + 1e-6);
          }
        },
      ),
    );
  });

  it('lets go at once when the limit is taken away', async () => {
    const allowance = createAllowance();
    allowance.setPace(1);
    allowance.spend(1000);
    const paced = allowance.paced(never);
    expect(await isSettled(paced)).toBe(false);
    allowance.setPace(0);
    await paced;
  });

  it('keeps to the lower of what the server asks for and what is allowed here', async () => {
    let now = 0;
    let limit = 1000;
    const allowance = createAllowance(
      () => limit,
      () => now,
    );
    const passes = async (): Promise<boolean> => {
      const end = new AbortController();
      const paced = allowance.paced(end.signal);
      const passed = await isSettled(paced);
      end.abort();
      await paced;
      return passed;
    };
    expect(allowance.burst).toBe(64 * 1024);
    allowance.spend(1000);
    now = 999;
    expect(await passes()).toBe(false);
    now = 1000;
    expect(await passes()).toBe(true);
    allowance.setPace(500);
    allowance.spend(1000);
    now = 2000;
    expect(await passes()).toBe(false);
    now = 3000;
    expect(await passes()).toBe(true);
    limit = 100;
    allowance.spend(100);
    now = 3999;
    expect(await passes()).toBe(false);
    limit = 0;
    allowance.setPace(0);
    expect(await passes()).toBe(true);
    expect(allowance.burst).toBe(Number.POSITIVE_INFINITY);
  });
});
