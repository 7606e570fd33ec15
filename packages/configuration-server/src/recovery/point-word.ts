import { HoldfastError } from '@holdfast/errors';
import { type ChoosePoint, PointKind } from '@holdfast/protocol';
import { requestInvalid } from '../request-invalid.ts';

/** Date, time and zone; without the zone nobody could say which instant is meant. */
const TIME = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/i;
const LOOKS_LIKE_TIME = /^\d{4}-\d/;
const ID = /^[0-9a-f]{4,32}$/i;

export type PointChoice = Exclude<ChoosePoint['choice'], { readonly case: undefined }>;

/** What people mean by a point. `drains`: what is on its way arrives first. */
export interface PointWord {
  readonly choice: PointChoice;
  readonly drains: boolean;
}

/** Of a run of a plan: the newest instant that all of its machines have a point of. */
export const LATEST_GROUP = 'latest-group';

const newest = (kind: PointKind, drains = false): PointWord => ({ choice: { case: 'newest', value: kind }, drains });

/** Throws REQUEST_INVALID for a word that means no point, UNSUPPORTED_OPERATION for one of several machines. */
export const pointWord = (word: string): PointWord => {
  switch (word) {
    case 'latest':
      return newest(PointKind.CRASH, true);
    case '':
    case 'latest-processed':
      return newest(PointKind.CRASH);
    case 'latest-filesystem':
      return newest(PointKind.FILESYSTEM);
    case 'latest-application':
      return newest(PointKind.APPLICATION);
    case LATEST_GROUP:
      throw new HoldfastError('UNSUPPORTED_OPERATION', {
        thing: 'point latest-group',
        why: 'a point is of one machine, across all of its disks: by itself it has no group',
        remedy: 'run a plan with it (`holdfast plan run --point latest-group`), or give a time: the newest point at or before it is taken',
      });
  }
  if (LOOKS_LIKE_TIME.test(word)) {
    const time = TIME.test(word) ? Date.parse(word.replace(' ', 'T')) : Number.NaN;
    if (Number.isNaN(time) || time < 0)
      throw requestInvalid('point', 'it is no full time with a zone', 'write it like 2026-11-22T01:02:03Z or 2026-11-22T02:02:03+01:00');
    return { choice: { case: 'atUnixMillis', value: BigInt(time) }, drains: false };
  }
  if (ID.test(word)) return { choice: { case: 'idPrefix', value: word.toLowerCase() }, drains: false };
  throw requestInvalid(
    'point',
    `${JSON.stringify(word.slice(0, 80))} means none`,
    'say latest, latest-processed, latest-filesystem, latest-application, the beginning of an id (4 digits or more), or a time',
  );
};
