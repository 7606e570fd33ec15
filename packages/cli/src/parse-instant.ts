import { parseDuration } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';

const ZONED = /^\d{4}-\d{2}-\d{2}T.*(?:Z|[+-]\d{2}:\d{2})$/;

/** An instant on the command line, milliseconds since 1970: `24h` (so long ago), or a time with its zone. Error: SETTING_INVALID. */
export const parseInstant = (word: string, now: number): number => {
  const instant = ZONED.test(word) ? Date.parse(word) : Number.NaN;
  if (!Number.isNaN(instant) && instant > 0) return instant;
  try {
    const passed = now - parseDuration(word);
    if (passed > 0) return Math.floor(passed);
  } catch {
    // Told below.
  }
  throw new HoldfastError('SETTING_INVALID', {
    thing: JSON.stringify(word),
    why: 'it is no time',
    remedy: 'give how long ago (90s, 24h, 7d) or a time with its zone (2026-11-22T01:02:03Z)',
  });
};
