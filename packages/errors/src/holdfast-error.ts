import { ERROR_CODES, type ErrorCode } from './codes.ts';

/** What an error says: the thing it happened to, why, and what a person can do about it. */
export interface ErrorDetails {
  /** The thing: a device path, an object name, a setting. */
  readonly thing: string;
  /** Why it failed, in one clause without a final full stop. */
  readonly why: string;
  /** What to do, in one imperative clause without a final full stop. */
  readonly remedy: string;
  readonly cause?: unknown;
}

/** The only error class of Holdfast. The message reads `[CODE] thing: why; remedy`. */
export class HoldfastError extends Error {
  override readonly name = 'HoldfastError';
  readonly code: ErrorCode;
  readonly thing: string;
  readonly why: string;
  readonly remedy: string;

  constructor(code: ErrorCode, { thing, why, remedy, cause }: ErrorDetails) {
    super(`[${code}] ${thing}: ${why}; ${remedy}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.thing = thing;
    this.why = why;
    this.remedy = remedy;
  }

  /** True when the same call may succeed later without any change. */
  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }

  /** The exit status of a program that ends because of this error. */
  get exitCode(): number {
    return ERROR_CODES[this.code].exit;
  }

  toJSON(): Record<string, unknown> {
    return { code: this.code, thing: this.thing, why: this.why, remedy: this.remedy, retryable: this.retryable };
  }
}

/** True when `reason` is a HoldfastError, of this code if one is given. */
export const isHoldfastError = (reason: unknown, code?: ErrorCode): reason is HoldfastError =>
  reason instanceof HoldfastError && (code === undefined || reason.code === code);
