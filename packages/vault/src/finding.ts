import { type ErrorCode, HoldfastError } from '@holdfast/errors';

/** Something wrong in the vault, named. */
export interface Finding {
  readonly code: ErrorCode;
  /** The name of the object. */
  readonly object: string;
  /** What is wrong, in one clause. */
  readonly why: string;
  /** Which frame of it. */
  readonly frame?: number;
  /** The disk and its bytes concerned, where they can be told. */
  readonly diskId?: string;
  readonly extents?: readonly { readonly offset: number; readonly length: number }[];
}

/** The object an error is about, when its thing begins with the name of one. */
const OBJECT = /^(vault|(?:keys|machines)\/[0-9a-f]{32}|m\/[0-9a-f]{32}\/[a-z]+\/(?:\d{12}|[0-9a-f]{32}))(?:, (.*))?$/;

/** What an error says about an object; `undefined` when the error is not about what the vault holds. `object` is meant when it names none. */
export const findingOf = (reason: unknown, object: string): Finding | undefined => {
  if (!(reason instanceof HoldfastError)) return undefined;
  if (reason.code !== 'DAMAGED' && reason.code !== 'VAULT_VERSION_UNSUPPORTED') return undefined;
  const [, named, part] = OBJECT.exec(reason.thing) ?? [undefined, object, reason.thing];
  return { code: reason.code, object: named!, why: part === undefined ? reason.why : `${part}: ${reason.why}` };
};
