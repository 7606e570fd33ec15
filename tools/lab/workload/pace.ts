import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

/** Lateness that is made up for by going faster; more is forgotten, so that a stall is not followed by a flood. */
const LONGEST_DEBT_MS = 250;

/** Resolves `perSecond` times a second on average, when asked again and again; lets messages and timers in every time. */
export const createPace = (perSecond: number, now: () => number = () => performance.now()): (() => Promise<void>) => {
  const period = 1000 / perSecond;
  let due = now();
  return async () => {
    due = Math.max(due + period, now() - LONGEST_DEBT_MS);
    const wait = due - now();
    if (wait >= 1) await sleep(wait);
    else await nextTurn();
  };
};
