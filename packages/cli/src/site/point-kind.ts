import { PointKind } from '@holdfast/protocol';

const WORDS: Readonly<Record<PointKind, string>> = {
  [PointKind.UNSPECIFIED]: 'unknown',
  [PointKind.CRASH]: 'crash',
  [PointKind.FILESYSTEM]: 'filesystem',
  [PointKind.APPLICATION]: 'application',
};

/** The kind of a point as people read it; of one that this version does not know, unknown. */
export const pointKindWord = (kind: PointKind): string => WORDS[kind] ?? 'unknown';
