import { type ErrorCode, HoldfastError } from '@holdfast/errors';
import { PointKind } from '@holdfast/protocol';
import type { MachineHistory, RecoveryPoint } from '@holdfast/vault';
import { formatTime } from '../output/format.ts';
import { machineLabel } from './choose-machine.ts';
import { nearNames } from './near.ts';

/** Date, time and zone; without the zone nobody could say which instant is meant. */
const TIME = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/i;
const LOOKS_LIKE_TIME = /^\d{4}-\d/;
/** Shorter beginnings are typing mistakes more often than choices. */
const SHORTEST_PREFIX = 4;

/** Words for the newest point of a kind. */
const KINDS: Readonly<Record<string, PointKind>> = {
  'latest-application': PointKind.APPLICATION,
  'latest-filesystem': PointKind.FILESYSTEM,
};

/**
 * The point meant by `latest`, `latest-application`, `latest-filesystem`, its id or the beginning of it, or a time: then the newest at or before it. Errors: POINT_NOT_FOUND, SETTING_INVALID when it
 * says none of these, or several points are meant.
 */
export const choosePoint = ({ machine, points, damage }: MachineHistory, word: string): RecoveryPoint => {
  const newest = points.at(-1);
  const who = `machine ${machineLabel(machine)}`;
  const hint = damage.length > 0 ? ' (a part of its log is damaged, see `holdfast vault check`)' : '';
  if (newest === undefined)
    throw refuse(
      'POINT_NOT_FOUND',
      who,
      `it has no recovery point${hint}`,
      'wait until its first copy is complete, or choose another machine',
    );
  if (word === 'latest') return newest;
  const kind = KINDS[word];
  if (kind !== undefined) {
    const found = points.findLast(({ point }) => point.kind === kind);
    if (found !== undefined) return found;
    throw refuse(
      'POINT_NOT_FOUND',
      `point ${word}`,
      `none of the ${points.length} points of ${who} is of this kind${hint}`,
      'choose latest, or make such points by the policy',
    );
  }
  if (LOOKS_LIKE_TIME.test(word)) return atTime(points, word, who, hint);
  const prefix = word.toLowerCase();
  const meant = prefix.length >= SHORTEST_PREFIX ? points.filter(({ id }) => id.startsWith(prefix)) : [];
  if (meant.length === 1) return meant[0]!;
  if (meant.length > 1)
    throw refuse('SETTING_INVALID', `point ${word}`, `${meant.length} points begin like that: ${listed(meant)}`, 'give more of the id');
  const near = nearNames(prefix, ['latest', ...points.map(({ id }) => (prefix.length < 16 ? id.slice(0, prefix.length) : id))]);
  const told = near.length > 0 ? `did you mean ${near.join(' or ')}?` : `the newest of its ${points.length} is ${newest.id}`;
  throw refuse(
    'POINT_NOT_FOUND',
    `point ${word}`,
    `${who} has no recovery point whose id begins like that; ${told}${hint}`,
    `give ${SHORTEST_PREFIX} digits or more of an id that \`holdfast vault points\` lists, latest, or a time like 2026-11-22T01:02:03Z`,
  );
};

const atTime = (points: readonly RecoveryPoint[], word: string, who: string, hint: string): RecoveryPoint => {
  const time = TIME.test(word) ? Date.parse(word.replace(' ', 'T')) : Number.NaN;
  if (Number.isNaN(time))
    throw refuse(
      'SETTING_INVALID',
      `point ${word}`,
      'it is no full time with a zone',
      'write it like 2026-11-22T01:02:03Z or 2026-11-22T02:02:03+01:00',
    );
  const point = points.findLast((candidate) => candidate.time <= time);
  if (point !== undefined) return point;
  const oldest = points[0]!;
  throw refuse('POINT_NOT_FOUND', `point ${word}`, `the oldest of ${who} is of ${formatTime(oldest.time)}${hint}`, 'choose a later time');
};

const listed = (points: readonly RecoveryPoint[]): string =>
  points
    .slice(0, 5)
    .map(({ id }) => id)
    .join(', ');

const refuse = (code: ErrorCode, thing: string, why: string, remedy: string): HoldfastError =>
  new HoldfastError(code, { thing, why, remedy });
