import { HoldfastError } from '@holdfast/errors';

/** The two answers every store has to be exact about. */
export const objectExists = (name: string, cause?: unknown): HoldfastError =>
  new HoldfastError('OBJECT_EXISTS', {
    thing: name,
    why: 'an object of this name exists and objects are never overwritten',
    remedy: 'read it, or choose another name',
    cause,
  });

export const objectNotFound = (name: string, cause?: unknown): HoldfastError =>
  new HoldfastError('OBJECT_NOT_FOUND', { thing: name, why: 'there is no such object', remedy: 'check the name and the store', cause });
