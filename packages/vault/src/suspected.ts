import { isHoldfastError } from '@holdfast/errors';
import type { MachineHistory } from './history.ts';
import { overwrittenShare } from './overwritten-share.ts';
import { pointChanges } from './point-changes.ts';
import { unusualWriting } from './write-signal.ts';

/** Of what was written, the share that lies over data that was there, from which on files may have been encrypted. */
export const SUSPICIOUS_SHARE = 0.5;
/** How long nothing is forgotten after that: time for people to notice, by the times of points. */
const KEPT_FOR = 14 * 24 * 60 * 60_000;

/** Why points before some writing may be needed; undefined when nothing is suspected. Errors: none: what cannot be told is no suspicion. */
export const suspectedWriting = async (history: MachineHistory): Promise<string | undefined> => {
  const newest = history.points.at(-1);
  const writing = unusualWriting(pointChanges(history)).at(-1);
  if (newest === undefined || writing?.before === undefined || newest.time - writing.last.point.time > KEPT_FOR) return undefined;
  try {
    const share = await overwrittenShare(history, writing.before.point, writing.last.point);
    if (share < SUSPICIOUS_SHARE) return undefined;
  } catch (reason) {
    if (!isHoldfastError(reason, 'DAMAGED') && !isHoldfastError(reason, 'OBJECT_NOT_FOUND')) throw reason;
    return undefined;
  }
  const since = new Date(writing.first.point.time).toISOString();
  return `since ${since} the machine wrote as never before, over what was there: files may have been encrypted`;
};
