import { HoldfastError } from '@holdfast/errors';

/** The error of a request with a value that is not allowed. */
export const requestInvalid = (thing: string, why: string, remedy: string): HoldfastError =>
  new HoldfastError('REQUEST_INVALID', { thing, why, remedy });

/** Text from outside as a name: one line of printable characters. Throws REQUEST_INVALID. */
export const checkLine = (value: string, thing: string, longest: number): string => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(value)) throw requestInvalid(thing, 'it holds control characters', 'use plain text');
  if (value.length > longest) throw requestInvalid(thing, `it has ${value.length} characters, more than ${longest}`, 'shorten it');
  return value;
};
