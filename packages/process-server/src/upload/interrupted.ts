import { HoldfastError } from '@holdfast/errors';

/** Work that ends because this server wants it so; agents may try elsewhere, or again. */
export const interrupted = (thing: string, why: string): HoldfastError =>
  new HoldfastError('CONNECTION_LOST', { thing, why, remedy: 'connect again, or to another server' });
