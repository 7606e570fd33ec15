import { type ErrorCode, HoldfastError } from '@holdfast/errors';

/** Something wrong in the vault, named. */
export interface Finding {
  readonly code: ErrorCode;
  /** The name of the object. */
  readonly object: string;
  /** What is wrong, in one clause. */
  readonly why: string;
  /** The disk and its bytes concerned, where they can be told. */
  readonly diskId?: string;
  readonly extents?: readonly { readonly offset: number; readonly length: number }[];
}

/** What an error says about an object; `undefined` when the error is not about what the object holds. */
export const findingOf = (reason: unknown, object: string): Finding | undefined => {
  if (!(reason instanceof HoldfastError)) return undefined;
  if (reason.code !== 'DAMAGED' && reason.code !== 'VAULT_VERSION_UNSUPPORTED') return undefined;
  const why = reason.thing.startsWith(object)
    ? `${reason.thing.slice(object.length).replace(/^, /, '')} ${reason.why}`.trim()
    : `${reason.thing}: ${reason.why}`;
  return { code: reason.code, object, why };
};
