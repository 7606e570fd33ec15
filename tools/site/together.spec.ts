import { setTimeout as sleep } from 'node:timers/promises';
import { together } from './together.ts';

it('gives all results in order', async () => {
  const [text, number] = await together([sleep(2, 'late'), Promise.resolve(1)]);
  expect([text.length, number]).toEqual([4, 1]);
});

it('tells the first failure, when nobody is at work any more', async () => {
  let isDone = false;
  const slow = sleep(5).then(() => {
    isDone = true;
  });
  const failing = [slow, Promise.reject(new Error('one')), Promise.reject(new Error('two'))] as const;
  await expect(together<readonly [unknown, unknown, unknown]>(failing)).rejects.toThrow('one');
  expect(isDone).toBe(true);
});
