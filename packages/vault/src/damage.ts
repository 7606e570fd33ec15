import { HoldfastError, isHoldfastError } from '@holdfast/errors';

/** Something in the vault is not what was written. */
export const damaged = (thing: string, why: string, cause?: unknown): HoldfastError =>
  new HoldfastError('DAMAGED', {
    thing,
    why,
    remedy: 'run `holdfast vault check`; a copy of the vault or a resynchronization can repair it',
    cause,
  });

/** Runs a check on an object and lets the damage it finds name the object. */
export const naming = async <T>(name: string, check: () => T | Promise<T>): Promise<T> => {
  try {
    return await check();
  } catch (reason) {
    if (isHoldfastError(reason, 'DAMAGED') && reason.thing !== name) throw damaged(name, `${reason.thing}: ${reason.why}`, reason);
    throw reason;
  }
};
