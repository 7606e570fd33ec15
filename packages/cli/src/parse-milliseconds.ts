import { parseDuration } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';

/** A duration on the command line, "500ms" or "5s", as whole milliseconds of at least one. Error: SETTING_INVALID. */
export const parseMilliseconds = (text: string): number => {
  try {
    const milliseconds = parseDuration(text);
    if (Number.isInteger(milliseconds) && milliseconds > 0) return milliseconds;
  } catch {
    // Told below.
  }
  throw new HoldfastError('SETTING_INVALID', {
    thing: JSON.stringify(text),
    why: 'it is no duration',
    remedy: 'give one like 500ms or 5s',
  });
};
