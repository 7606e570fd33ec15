import { parseDuration } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';

/** A duration on the command line, "5s" or "15 min", as whole seconds of at least one. Error: SETTING_INVALID. */
export const parseSeconds = (text: string): number => {
  try {
    const seconds = parseDuration(text) / 1000;
    if (Number.isInteger(seconds) && seconds > 0) return seconds;
  } catch {
    // Told below.
  }
  throw new HoldfastError('SETTING_INVALID', {
    thing: JSON.stringify(text),
    why: 'it is no duration of whole seconds',
    remedy: 'give one like 5s, 15min, 24h or 3d',
  });
};
