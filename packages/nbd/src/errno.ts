import { type ErrorCode, HoldfastError } from '@holdfast/errors';

/** The error numbers a reply may carry (`doc/proto.md`, "Error values"). */
export const ERRNO = { EPERM: 1, EIO: 5, EINVAL: 22, ENOSPC: 28, ESHUTDOWN: 108 } as const;

const NUMBERS: Partial<Record<ErrorCode, number>> = {
  DEVICE_CLOSED: ERRNO.ESHUTDOWN,
  NO_PERMISSION: ERRNO.EPERM,
  NO_SPACE: ERRNO.ENOSPC,
  RANGE_INVALID: ERRNO.EINVAL,
};

/** The number a client is told for an error of a device. */
export const errnoOf = (error: HoldfastError): number => NUMBERS[error.code] ?? ERRNO.EIO;

/** The error a server's answer stands for. */
export const errorOf = (errno: number, thing: string, message: string): HoldfastError => {
  const why = message === '' ? `the server answered with error ${errno}` : `the server says: ${message}`;
  switch (errno) {
    case ERRNO.EPERM:
      return new HoldfastError('NO_PERMISSION', { thing, why, remedy: 'use an export that may be written' });
    case ERRNO.ENOSPC:
      return new HoldfastError('NO_SPACE', { thing, why, remedy: 'free space where the server keeps it' });
    case ERRNO.EINVAL:
      return new HoldfastError('UNSUPPORTED_OPERATION', { thing, why, remedy: 'use a server that can do this' });
    default:
      return new HoldfastError('IO_FAILED', { thing, why, remedy: "look at the server's log and try again" });
  }
};
