import { ERROR_CODES, type ErrorCode, HoldfastError } from '@holdfast/errors';

/** Name of the metadata, and of the HTTP header of other transports, that carries an error: JSON in UTF-8. */
export const ERROR_METADATA = 'holdfast-error-bin';

/** Characters of one part of an error on the wire. */
const LONGEST = 600;
/** Bytes that are looked at. */
const LARGEST = 16 * 1024;

/** Words of the other side as they may be shown: one bounded line. */
export const boundedWords = (words: unknown): string =>
  String(words)
    .slice(0, LONGEST * 2)
    .toWellFormed()
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is replaced
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
    .slice(0, LONGEST)
    .toWellFormed();

/** The bytes that tell `error` to the other side. Causes and stacks stay here: they may hold secrets. */
export const encodeError = ({ code, thing, why, remedy }: HoldfastError): Buffer =>
  Buffer.from(JSON.stringify({ code, thing: boundedWords(thing), why: boundedWords(why), remedy: boundedWords(remedy) }));

const isCode = (code: unknown): code is ErrorCode => typeof code === 'string' && Object.hasOwn(ERROR_CODES, code);

/**
 * The error the other side told. A code this version does not know becomes `fallback`, with the code among the words; anything that is
 * no error of ours is undefined.
 */
export const decodeError = (bytes: Uint8Array, fallback: ErrorCode, cause?: unknown): HoldfastError | undefined => {
  if (bytes.length > LARGEST) return undefined;
  let told: unknown;
  try {
    told = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch {
    return undefined;
  }
  if (typeof told !== 'object' || told === null) return undefined;
  const { code, thing, why, remedy } = told as Record<string, unknown>;
  if (typeof thing !== 'string' || typeof why !== 'string' || typeof remedy !== 'string' || typeof code !== 'string') return undefined;
  const reason = isCode(code) ? boundedWords(why) : `${boundedWords(code).slice(0, 64)}: ${boundedWords(why)}`;
  return new HoldfastError(isCode(code) ? code : fallback, {
    thing: boundedWords(thing),
    why: reason,
    remedy: boundedWords(remedy),
    ...(cause === undefined ? {} : { cause }),
  });
};
