import { HoldfastError } from '@holdfast/errors';
import type { ObjectRange } from './object-store.ts';

/** The bytes `[start, end)` of an object of `size` bytes that a range names, cut to what there is. */
export const resolveRange = (size: number, { offset, length }: ObjectRange = { offset: 0 }): { start: number; end: number } => {
  const start = offset < 0 ? Math.max(0, size + offset) : Math.min(offset, size);
  return { start, end: length === undefined ? size : Math.min(size, start + length) };
};

/** Refuses a range that cannot be. */
export const checkRange = (range: ObjectRange | undefined): void => {
  if (range === undefined) return;
  const { offset, length = 0 } = range;
  if (Number.isSafeInteger(offset) && Number.isSafeInteger(length) && length >= 0) return;
  throw new HoldfastError('SETTING_INVALID', {
    thing: `range at ${offset} of ${length} bytes`,
    why: 'offset and length are whole numbers and the length is not negative',
    remedy: 'correct the range',
  });
};
