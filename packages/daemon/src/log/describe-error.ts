import { isHoldfastError } from '@holdfast/errors';

/** An error as a field of the log. */
export interface DescribedError {
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: DescribedError;
}

/** Causes of causes are followed this far. */
const DEEPEST = 4;

/**
 * An error for the log, with its causes. The stack is told only of what is not expected: our own errors say enough, but for INTERNAL.
 */
export const describeError = (reason: unknown, depth = 0): DescribedError => {
  if (!(reason instanceof Error)) return { message: String(reason) };
  const code = (reason as { code?: unknown }).code;
  const expected = isHoldfastError(reason) && reason.code !== 'INTERNAL';
  return {
    message: reason.message,
    ...(typeof code === 'string' ? { code } : {}),
    ...(expected || reason.stack === undefined ? {} : { stack: reason.stack }),
    ...(reason.cause === undefined || depth >= DEEPEST ? {} : { cause: describeError(reason.cause, depth + 1) }),
  };
};
