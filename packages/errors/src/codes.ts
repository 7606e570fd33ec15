/**
 * The closed list of error codes. Every code has a heading in `docs/errors.md`; a test proves the two equal.
 * `exit` is the exit status a program ends with (see `docs/errors.md`), `retryable` says that the same call may succeed later unchanged.
 */
export const ERROR_CODES = {
  CAPTURE_NOT_CONVERGED: { exit: 9, retryable: true },
  CONTINUITY_LOST: { exit: 9, retryable: false },
  DAMAGED: { exit: 7, retryable: false },
  DEVICE_CHANGED: { exit: 4, retryable: false },
  DEVICE_NOT_FOUND: { exit: 4, retryable: false },
  DEVICE_UNSUPPORTED: { exit: 5, retryable: false },
  EPOCH_CONFLICT: { exit: 8, retryable: false },
  FENCED: { exit: 8, retryable: false },
  INTERNAL: { exit: 70, retryable: false },
  INTERRUPTED: { exit: 130, retryable: false },
  IO_FAILED: { exit: 9, retryable: true },
  NO_PERMISSION: { exit: 3, retryable: false },
  NO_SPACE: { exit: 6, retryable: true },
  OBJECT_EXISTS: { exit: 8, retryable: false },
  OBJECT_NOT_FOUND: { exit: 4, retryable: false },
  POINT_NOT_FOUND: { exit: 4, retryable: false },
  PROTOCOL_VIOLATION: { exit: 7, retryable: false },
  SETTING_INVALID: { exit: 2, retryable: false },
  SETTING_UNKNOWN: { exit: 2, retryable: false },
  STORE_UNAVAILABLE: { exit: 9, retryable: true },
  TOOL_MISSING: { exit: 5, retryable: false },
  TRACEFS_UNAVAILABLE: { exit: 5, retryable: false },
  UNREADABLE_EXTENT: { exit: 7, retryable: false },
  UNSUPPORTED_OPERATION: { exit: 5, retryable: false },
  VAULT_EXISTS: { exit: 8, retryable: false },
  VAULT_KEY_WRONG: { exit: 3, retryable: false },
  VAULT_NOT_FOUND: { exit: 4, retryable: false },
  VAULT_ON_PROTECTED_DISK: { exit: 2, retryable: false },
  VAULT_ROLLED_BACK: { exit: 8, retryable: false },
  VAULT_VERSION_UNSUPPORTED: { exit: 5, retryable: false },
} as const satisfies Record<string, { exit: number; retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;
