import { RETENTION_PRESETS, type RetentionPolicy, type RetentionRule } from './retention.ts';

/*
 * How people say a retention: by the name of a preset, or as a grid of their own, finest first: "all 2h, 1h 3d, 1d 90d, 1w 7y" is everything of two hours,
 * then a point an hour up to three days, a point a day up to 90, and a point a week up to seven years.
 */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const UNITS: Readonly<Record<string, number>> = { min: MINUTE, h: HOUR, d: DAY, w: 7 * DAY, y: 365 * DAY };

const MOST_RULES = 8;
const LONGEST_TEXT = 200;
/** A history shorter than this is no history, and one of more than this nobody will see the end of. */
const SHORTEST = HOUR;
const LONGEST = 20 * UNITS.y!;

const timeOf = (word: string): number => {
  const [, count, unit] = /^(\d{1,6})(min|h|d|w|y)$/.exec(word) ?? [];
  return Number(count) * (UNITS[unit ?? ''] ?? Number.NaN);
};

const ruleOf = (text: string): RetentionRule | undefined => {
  const [every = '', until = '', ...more] = text.trim().split(/\s+/);
  const rule = { every: every === 'all' ? 0 : timeOf(every), until: timeOf(until) };
  const isRead = more.length === 0 && Number.isFinite(rule.every) && Number.isFinite(rule.until) && (every === 'all' || rule.every > 0);
  return isRead ? rule : undefined;
};

const problemOf = (rules: readonly RetentionRule[], parts: readonly string[]): string | undefined => {
  for (const [i, { every, until }] of rules.entries()) {
    const words = JSON.stringify(parts[i]!.trim());
    const before = rules[i - 1];
    if (every >= until) return `${words} keeps no point: the time up to which is not longer than that between two`;
    if (before !== undefined && until <= before.until) return `${words} does not reach further back than what stands before it`;
    if (before !== undefined && every <= before.every) return `${words} is not coarser than what stands before it`;
  }
  const { until } = rules.at(-1)!;
  return until < SHORTEST || until > LONGEST ? 'the oldest points are to be from an hour to 20 years old' : undefined;
};

/** A retention by its name or its grid; what is wrong with the text, where it is none. */
export const parseRetention = (text: string): { readonly policy: RetentionPolicy } | { readonly problem: string } => {
  if (Object.hasOwn(RETENTION_PRESETS, text)) return { policy: RETENTION_PRESETS[text as keyof typeof RETENTION_PRESETS] };
  const problem = `it is neither one of ${Object.keys(RETENTION_PRESETS).join(', ')} nor a grid like "all 2h, 1h 3d, 1d 90d, 1w 7y"`;
  if (text.length > LONGEST_TEXT) return { problem };
  const parts = text.split(',');
  if (parts.length > MOST_RULES) return { problem: `a grid has at most ${MOST_RULES} steps` };
  const rules: RetentionRule[] = [];
  for (const part of parts) {
    const rule = ruleOf(part);
    if (rule === undefined) return { problem };
    rules.push(rule);
  }
  const wrong = problemOf(rules, parts);
  return wrong === undefined ? { policy: { rules } } : { problem: wrong };
};
