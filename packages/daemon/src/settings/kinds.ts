import path from 'node:path';
import { BANDWIDTH_RULE, parseBandwidthRule } from './bandwidth-rule.ts';
import { formatBytes, formatDuration, parseBytes, parseDuration } from './quantities.ts';
import { createSecret, type Secret } from './secret.ts';
import type { RawValue, Setting } from './setting.ts';

/** Exactly one of `default` and `optional` may be given; with neither the setting must be set. */
interface Options {
  readonly help: string;
  readonly default?: string;
  readonly optional?: true;
}

/** What a setting made with options `O` gives: undefined only when it is optional. */
type Given<O extends Options, T> = O extends { readonly optional: true } ? T | undefined : T;

/** Text longer than this is nobody's setting. */
const LONGEST = 4096;

const one = (raw: RawValue): string => {
  if (typeof raw !== 'string') throw new Error('it is a list where one value is wanted');
  if (raw.length > LONGEST) throw new Error(`it is longer than ${LONGEST} characters`);
  return raw;
};

const setting = <O extends Options, T>(options: O, allowed: string, parse: (raw: RawValue, base: string) => T, secret = false) =>
  ({
    help: options.help,
    allowed,
    ...(options.default === undefined ? {} : { fallback: options.default }),
    optional: options.optional === true,
    secret,
    parse,
  }) as Setting<Given<O, T>>;

const within = <T extends number>(value: T, min: number, max: number, show: (value: number) => string): T => {
  if (value < min) throw new Error(`it is below ${show(min)}`);
  if (value > max) throw new Error(`it is above ${show(max)}`);
  return value;
};

/** Free text of one line; `pattern` with its meaning in words narrows it. */
export const text = <const O extends Options & { readonly pattern?: RegExp; readonly means?: string }>(options: O) =>
  setting(options, options.means ?? 'a line of text', (raw) => {
    const value = one(raw);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
    if (/[\u0000-\u001f\u007f]/.test(value)) throw new Error('it holds control characters');
    if (value === '') throw new Error('it is empty');
    if (options.pattern !== undefined && !options.pattern.test(value)) throw new Error(`it is not ${options.means ?? 'allowed'}`);
    return value;
  });

/** A whole number. */
export const integer = <const O extends Options & { readonly min: number; readonly max: number; readonly unit?: string }>(options: O) =>
  setting(
    options,
    `a whole number from ${options.min} to ${options.max}${options.unit === undefined ? '' : ` (${options.unit})`}`,
    (raw) => {
      if (!/^-?\d{1,15}$/.test(one(raw))) throw new Error('it is not a whole number');
      return within(Number(raw), options.min, options.max, String);
    },
  );

/** An amount of bytes, in the program a number. */
export const bytes = <const O extends Options & { readonly min: string; readonly max: string; readonly per?: 'second' }>(options: O) =>
  setting(options, `bytes${options.per === undefined ? '' : ' a second'} from ${options.min} to ${options.max}, such as 64MiB`, (raw) =>
    within(parseBytes(one(raw)), parseBytes(options.min), parseBytes(options.max), formatBytes),
  );

/** A length of time, in the program milliseconds. */
export const duration = <const O extends Options & { readonly min: string; readonly max: string }>(options: O) =>
  setting(options, `a duration from ${options.min} to ${options.max}, such as 30s or 5min`, (raw) =>
    within(parseDuration(one(raw)), parseDuration(options.min), parseDuration(options.max), formatDuration),
  );

/** Most bytes a second, always or at some times. */
export const bandwidthRule = <const O extends Options>(options: O) =>
  setting(options, BANDWIDTH_RULE, (raw) => parseBandwidthRule(one(raw)));

/** Yes or no. */
export const flag = (options: { readonly help: string; readonly default: boolean }) =>
  setting({ help: options.help, default: String(options.default) }, 'true or false', (raw) => {
    if (raw !== 'true' && raw !== 'false') throw new Error('it is neither true nor false');
    return raw === 'true';
  });

/** One of a few words. */
export const oneOf = <const W extends string, const O extends Options & { readonly default?: W }>(words: readonly W[], options: O) =>
  setting(options, `one of ${words.join(', ')}`, (raw) => {
    const word = words.find((candidate) => candidate === raw);
    if (word === undefined) throw new Error(`it is not one of ${words.join(', ')}`);
    return word;
  });

/** A file or directory; relative ones start at the settings file's directory, or where the program was started. */
export const filePath = <const O extends Options>(options: O) => ({
  ...setting(options, 'a path', (raw, base) => {
    const value = one(raw);
    if (value === '' || value.includes('\0')) throw new Error('it is not a path');
    return path.resolve(base, value);
  }),
  show: String,
});

/** A place to listen at or connect to. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** An address as people write it: an IPv6 address stands in brackets. */
export const formatAddress = ({ host, port }: Address): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/;

/** Reads HOST:PORT. Throws an Error that says what is wrong. */
export const parseAddress = (raw: string): Address => {
  const [, bracketed, plain, port = ''] = /^(?:\[([0-9A-Fa-f:.%\w]{2,64})\]|([^\s:[\]/@]{1,253})):(\d{1,5})$/.exec(raw) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) throw new Error('it is not HOST:PORT; an IPv6 address stands in brackets');
  return { host, port: within(Number(port), 0, 65_535, String) };
};

/** HOST:PORT; with `loopback` only addresses that other machines cannot reach. */
export const address = <const O extends Options & { readonly loopback?: true }>(options: O) =>
  setting(options, options.loopback === true ? '127.0.0.1:PORT, [::1]:PORT or localhost:PORT' : 'HOST:PORT', (raw) => {
    const value = parseAddress(one(raw));
    if (options.loopback === true && !LOOPBACK.test(value.host)) throw new Error('it is not a loopback address');
    return value;
  });

/** A URL of one of `schemes` ("https", "file", …). */
export const url = <const O extends Options & { readonly schemes: readonly string[] }>(options: O) =>
  setting(options, `a URL beginning with ${options.schemes.map((scheme) => `${scheme}:`).join(' or ')}`, (raw) => {
    const value = one(raw);
    if (!URL.canParse(value) || !options.schemes.includes(new URL(value).protocol.slice(0, -1)))
      throw new Error(`it does not begin with ${options.schemes.map((scheme) => `${scheme}:`).join(' or ')}, or is no URL`);
    return value;
  });

/** A secret: in the file, in the environment, or in a file of its own named by the setting `…-file`; never on the command line. */
export const secret = <const O extends Omit<Options, 'default'>>(options: O) =>
  setting(
    options,
    'a secret',
    (raw): Secret => {
      const value = one(raw);
      if (value === '') throw new Error('it is empty');
      return createSecret(value);
    },
    true,
  );

/** Several values of another kind: a sequence in the file, separated by commas elsewhere. */
export const list = <T>(
  of: Setting<T>,
  options: { readonly help: string; readonly default?: readonly string[]; readonly max?: number },
) => {
  const max = options.max ?? 64;
  return {
    help: options.help,
    allowed: `up to ${max} values, each ${of.allowed}`,
    fallback: options.default ?? [],
    optional: false,
    secret: of.secret,
    parse: (raw: RawValue, base: string): readonly T[] => {
      const items = typeof raw === 'string' ? raw.split(',').map((item) => item.trim()) : raw;
      const present = items.filter((item) => item !== '');
      if (present.length > max) throw new Error(`it has more than ${max} values`);
      return present.map((item) => of.parse(item, base));
    },
  } satisfies Setting<readonly T[]>;
};
