import { HoldfastError } from '@holdfast/errors';
import { parseRetention, RETENTION_PRESETS, type RetentionPolicy } from '@holdfast/vault';

/** For help and completion. `argParser` behind `choices` lets grids through. */
export const RETENTIONS: readonly string[] = Object.keys(RETENTION_PRESETS);

/** A preset or a grid, as an option gives it. Error: SETTING_INVALID. */
export const retentionOf = (text: string): RetentionPolicy => {
  const read = parseRetention(text);
  if ('policy' in read) return read.policy;
  throw new HoldfastError('SETTING_INVALID', {
    thing: `retention ${JSON.stringify(text)}`,
    why: read.problem,
    remedy: 'name a preset, or a grid, finest first: all points of 2h, then one an hour up to 3d, and so on',
  });
};

/** Whether there is an age at which `after` keeps fewer points than `before`: every how many milliseconds one is kept changes only at the end of a rule. */
export const keepsLess = (after: RetentionPolicy, before: RetentionPolicy): boolean => {
  const every = ({ rules }: RetentionPolicy, age: number): number =>
    rules.find(({ until }) => age <= until)?.every ?? Number.POSITIVE_INFINITY;
  return [...after.rules, ...before.rules].some(({ until }) => every(after, until) > every(before, until));
};

/** The same text, when it is one. Error: SETTING_INVALID. */
export const retentionText = (text: string): string => {
  retentionOf(text);
  return text;
};
