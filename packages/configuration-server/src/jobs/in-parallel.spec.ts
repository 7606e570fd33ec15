import { setTimeout as sleep } from 'node:timers/promises';
import { inParallel } from './in-parallel.ts';

describe('work done in parallel', () => {
  it('gives everything in order, and never more at once than it may', async () => {
    let [now, most] = [0, 0];
    const results = await inParallel(3, [5, 1, 4, 2, 3, 0, 1], async (wait) => {
      now += 1;
      most = Math.max(most, now);
      await sleep(wait);
      now -= 1;
      return wait * 2;
    });
    expect([results, most]).toEqual([[10, 2, 8, 4, 6, 0, 2], 3]);
    expect(await inParallel(3, [], async () => 1)).toEqual([]);
  });

  it('begins nothing after a failure, waits for what is at work, and passes the failure on', async () => {
    const seen: number[] = [];
    let over = 0;
    const running = inParallel(2, [0, 1, 2, 3, 4], async (item) => {
      seen.push(item);
      if (item === 1) throw new Error('of 1');
      await sleep(20);
      over += 1;
    });
    await expect(running).rejects.toThrow('of 1');
    expect([seen, over]).toEqual([[0, 1], 1]);
  });
});
