import { isIP } from 'node:net';

// What tools and firmware say ends up in the manifest, and from there in a portal: bounded, without control characters, of the right type.

/** Longest text of a field, in characters. */
const TEXT_LIMIT = 512;

/** Any JSON value as an object whose fields may be anything. */
export type Loose = { readonly [field: string]: unknown };

export const looseOf = (value: unknown): Loose => (typeof value === 'object' && value !== null ? (value as Loose) : {});

/** The objects in what should be a list of objects, not more than `limit`. */
export const looseList = (value: unknown, limit: number): Loose[] => (Array.isArray(value) ? value.slice(0, limit).map(looseOf) : []);

export const textOf = (value: unknown): string =>
  typeof value === 'string'
    ? value
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
        .replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
        .trim()
        .slice(0, TEXT_LIMIT)
    : '';

/** A whole number from 0 to `limit`, from a number or its digits; 0 for everything else. */
export const countOf = (value: unknown, limit = Number.MAX_SAFE_INTEGER): number => {
  const number = typeof value === 'string' && /^\s*\d{1,16}\s*$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= limit ? number : 0;
};

export const UINT32 = 0xffff_ffff;

/** "192.0.2.1/24", "fd00::/8", "192.0.2.1": as given when it is an address, else nothing. */
export const addressOf = (value: unknown): string => {
  const text = textOf(value);
  const [address = '', length, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return '';
  if (length !== undefined && (!/^\d{1,3}$/.test(length) || Number(length) > (version === 4 ? 32 : 128))) return '';
  return text;
};

export const macOf = (value: unknown): string => (/^([0-9a-f]{2}:){5,19}[0-9a-f]{2}$/.test(textOf(value)) ? textOf(value) : '');

/** The value a tool printed as JSON; undefined when it is none. */
export const parseJson = (text: string | undefined): unknown => {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
