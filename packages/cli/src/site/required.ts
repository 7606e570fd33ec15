import { HoldfastError } from '@holdfast/errors';

/** A field that every answer has. */
export const required = <T>(value: T | undefined, thing: string): T => {
  if (value !== undefined) return value;
  throw new HoldfastError('PROTOCOL_VIOLATION', {
    thing,
    why: 'the answer of the configuration server is empty',
    remedy: 'use versions of both sides that fit together',
  });
};
