import type { Policy } from '@holdfast/protocol';
import { DEFAULT_PRICES } from '../vault/price-table.ts';

/** What a process server gathers unless its settings or the policy say otherwise, seconds. */
const USUAL_SEAL = 1;
const DAY = 86_400;
const MONTH = 30;
/** Objects that an idle machine writes in a day. */
const IDLE = 1440;

export interface RequestCost {
  /** Requests that create objects in a day, of a machine that is written to all the time, and of one that is not. */
  readonly busyPerDay: number;
  readonly idlePerDay: number;
  /** The same a month, in the currency of the usual prices. */
  readonly busyPerMonth: number;
  readonly idlePerMonth: number;
  readonly currency: string;
}

/** What the requests of one machine cost at most: an object for each cut, or for all of one gathering. More data means more objects. */
export const requestCost = ({
  pointIntervalSeconds,
  sealIntervalSeconds,
}: Pick<Policy, 'pointIntervalSeconds' | 'sealIntervalSeconds'>): RequestCost => {
  const { currency, writes10k } = DEFAULT_PRICES;
  const busyPerDay = Math.ceil(DAY / Math.max(pointIntervalSeconds, sealIntervalSeconds || USUAL_SEAL));
  const idlePerDay = Math.min(IDLE, busyPerDay);
  const perMonth = (perDay: number): number => Math.round(((perDay * MONTH * writes10k) / 10_000) * 100) / 100;
  return { busyPerDay, idlePerDay, busyPerMonth: perMonth(busyPerDay), idlePerMonth: perMonth(idlePerDay), currency };
};
