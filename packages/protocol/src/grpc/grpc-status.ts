import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { type ErrorCode, HoldfastError } from '@holdfast/errors';
import { boundedWords, decodeError, ERROR_METADATA, encodeError } from './wire-error.ts';

/** Status codes of gRPC (https://grpc.io/docs/guides/status-codes/). Named here so that the library is loaded only where it is used. */
const STATUS = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

const SPECIAL: Readonly<Partial<Record<ErrorCode, number>>> = {
  CERTIFICATE_EXPIRED: STATUS.UNAUTHENTICATED,
  CERTIFICATE_REVOKED: STATUS.UNAUTHENTICATED,
  CERTIFICATE_UNTRUSTED: STATUS.UNAUTHENTICATED,
  IDENTITY_MISMATCH: STATUS.UNAUTHENTICATED,
  PROTOCOL_VIOLATION: STATUS.INVALID_ARGUMENT,
  SIGN_IN_NEEDED: STATUS.UNAUTHENTICATED,
  TIMED_OUT: STATUS.DEADLINE_EXCEEDED,
  TOO_MANY_CALLS: STATUS.RESOURCE_EXHAUSTED,
};

/** By exit status, which groups the codes (docs/errors.md). */
const BY_EXIT: Readonly<Record<number, number>> = {
  2: STATUS.INVALID_ARGUMENT,
  3: STATUS.PERMISSION_DENIED,
  4: STATUS.NOT_FOUND,
  5: STATUS.UNIMPLEMENTED,
  6: STATUS.RESOURCE_EXHAUSTED,
  7: STATUS.DATA_LOSS,
  8: STATUS.FAILED_PRECONDITION,
  9: STATUS.UNAVAILABLE,
  130: STATUS.CANCELLED,
};

/** The gRPC status code that says most of an error of ours; any client understands it, ours read the metadata. */
export const statusCodeOf = (error: HoldfastError): number => SPECIAL[error.code] ?? BY_EXIT[error.exitCode] ?? STATUS.INTERNAL;

/** An error as the status of a call. */
export const statusOf = (error: HoldfastError, metadata: Metadata): StatusObject => {
  metadata.set(ERROR_METADATA, encodeError(error));
  return { code: statusCodeOf(error), details: boundedWords(error.message), metadata };
};

interface Meaning {
  readonly code: ErrorCode;
  readonly remedy: string;
}

const LOST: Meaning = { code: 'CONNECTION_LOST', remedy: 'connect again' };

/** What a status means that came without an error of ours: from the library, a proxy, or another program. */
const MEANINGS: Readonly<Record<number, Meaning>> = {
  [STATUS.DEADLINE_EXCEEDED]: { code: 'TIMED_OUT', remedy: 'try again' },
  [STATUS.PERMISSION_DENIED]: { code: 'NO_PERMISSION', remedy: 'check what this identity may do' },
  // The library refuses messages above its limit with this status.
  [STATUS.RESOURCE_EXHAUSTED]: { code: 'PROTOCOL_VIOLATION', remedy: 'use versions of both sides that fit together' },
  [STATUS.UNIMPLEMENTED]: { code: 'UNSUPPORTED_OPERATION', remedy: 'check the address, and use versions of both sides that fit together' },
  [STATUS.UNAUTHENTICATED]: { code: 'CERTIFICATE_UNTRUSTED', remedy: 'check that both belong to the same installation' },
};

/** The error of a call that ended with a status code and words; `told` is what came as `ERROR_METADATA`. */
export const errorOfCode = (
  status: { readonly code: unknown; readonly words: unknown; readonly told: Uint8Array | undefined },
  thing: string,
  cause: unknown,
): HoldfastError => {
  const { code, remedy } = (typeof status.code === 'number' ? MEANINGS[status.code] : undefined) ?? LOST;
  const decoded = status.told === undefined ? undefined : decodeError(status.told, code, cause);
  return decoded ?? new HoldfastError(code, { thing, why: boundedWords(status.words ?? 'the call ended without a reason'), remedy, cause });
};

/** The error of a call that ended with a status other than OK. */
export const errorOfStatus = (status: Partial<Omit<StatusObject, 'code'>> & { readonly code?: unknown }, thing: string): HoldfastError => {
  const told = status.metadata?.get(ERROR_METADATA)[0];
  return errorOfCode({ code: status.code, words: status.details, told: Buffer.isBuffer(told) ? told : undefined }, thing, status);
};
