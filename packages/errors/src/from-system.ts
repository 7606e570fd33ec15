import type { ErrorCode } from './codes.ts';
import { HoldfastError } from './holdfast-error.ts';

const SYSTEM_CODES: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  EACCES: ['NO_PERMISSION', 'run as root or grant the right to it'],
  EPERM: ['NO_PERMISSION', 'run as root or grant the right to it'],
  EROFS: ['NO_PERMISSION', 'choose a writable place'],
  ENOENT: ['OBJECT_NOT_FOUND', 'check the name'],
  ENODEV: ['DEVICE_NOT_FOUND', 'check that the device is attached'],
  ENXIO: ['DEVICE_NOT_FOUND', 'check that the device is attached'],
  ENOSPC: ['NO_SPACE', 'free space or choose another place'],
  EDQUOT: ['NO_SPACE', 'raise the quota or choose another place'],
  EEXIST: ['OBJECT_EXISTS', 'choose another name'],
};

/**
 * Turns anything thrown into a HoldfastError about `thing`. Errors of the operating system keep their words and become the code
 * that says most; a HoldfastError passes through unchanged; everything else is `fallback`.
 */
export const fromSystem = (reason: unknown, thing: string, fallback: ErrorCode = 'IO_FAILED'): HoldfastError => {
  if (reason instanceof HoldfastError) return reason;
  const systemCode = (reason as NodeJS.ErrnoException | undefined)?.code;
  const known = systemCode === undefined ? undefined : SYSTEM_CODES[systemCode];
  const why = reason instanceof Error ? reason.message : String(reason);
  if (known !== undefined) return new HoldfastError(known[0], { thing, why, remedy: known[1], cause: reason });
  return new HoldfastError(fallback, { thing, why, remedy: 'look at the cause and try again', cause: reason });
};
