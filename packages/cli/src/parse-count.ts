import { HoldfastError } from '@holdfast/errors';

/** A whole number of at least one on the command line. Error: SETTING_INVALID. */
export const parseCount = (text: string): number => {
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text);
  throw new HoldfastError('SETTING_INVALID', {
    thing: JSON.stringify(text),
    why: 'it is no count',
    remedy: 'give a whole number of at least 1',
  });
};
