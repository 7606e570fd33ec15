import { parseWindow as parse, type WrittenWindow } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';

/** `mon-fri 18:00-06:00`, `sat+sun`, `22:00-24:00`. Error: SETTING_INVALID. */
export const parseWindow = (text: string): WrittenWindow => {
  let why = 'it is no part of a day';
  try {
    const window = parse(text);
    if (window !== undefined) return window;
  } catch (reason) {
    why = (reason as Error).message;
  }
  throw new HoldfastError('SETTING_INVALID', {
    thing: JSON.stringify(text),
    why,
    remedy: "give one like 'mon-fri 18:00-06:00', 'sat+sun' or 22:00-24:00",
  });
};
