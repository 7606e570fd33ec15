import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '@holdfast/errors';

export interface UntilOptions {
  readonly seconds: number;
  readonly everyMilliseconds?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Waits for a condition by asking again and again; IO_FAILED naming what was waited for when it does not come true in time. */
export const until = async (
  what: string,
  condition: () => boolean | Promise<boolean>,
  { seconds, everyMilliseconds = 20, signal }: UntilOptions,
): Promise<void> => {
  const deadline = performance.now() + seconds * 1000;
  while (!(await condition())) {
    if (performance.now() > deadline) {
      throw new HoldfastError('IO_FAILED', {
        thing: what,
        why: `waited ${seconds} s in vain`,
        remedy: 'look at what the machine is busy with and try again',
      });
    }
    await sleep(everyMilliseconds, undefined, { signal });
  }
};
