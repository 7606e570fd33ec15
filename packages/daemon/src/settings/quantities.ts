const BYTE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
  kB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  TB: 1000 ** 4,
};

const TIME_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };

const parseQuantity = (text: string, units: Readonly<Record<string, number>>, what: string): number => {
  const [, digits = '', unit = ''] = /^(\d{1,16}(?:\.\d{1,6})?) ?([A-Za-z]{1,4})$/.exec(text) ?? [];
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  if (factor === undefined) throw new Error(`it is not ${what}: a number and one of ${Object.keys(units).join(', ')} are wanted`);
  const value = Number(digits) * factor;
  if (!Number.isSafeInteger(value)) throw new Error(`it is not a whole number of ${Object.keys(units)[0]}, or too large`);
  return value;
};

/** The largest unit in which `value` is a whole number; the number 0 takes the smallest. */
const formatQuantity = (value: number, units: readonly (readonly [string, number])[]): string => {
  const [name, factor] = units.find(([, size]) => value >= size && value % size === 0) ?? units.at(-1)!;
  return `${value / factor}${name}`;
};

/** "64MiB", "1.5 GiB", "10MB" as a number of bytes. */
export const parseBytes = (text: string): number => parseQuantity(text, BYTE_UNITS, 'an amount of bytes');

/** A number of bytes as `parseBytes` reads it. */
export const formatBytes = (value: number): string =>
  formatQuantity(
    value,
    ['TiB', 'GiB', 'MiB', 'KiB', 'B'].map((name) => [name, BYTE_UNITS[name]!] as const),
  );

/** "500ms", "30s", "5 min", "24h", "7d" as milliseconds. */
export const parseDuration = (text: string): number => parseQuantity(text, TIME_UNITS, 'a duration');

/** Milliseconds as `parseDuration` reads them. */
export const formatDuration = (value: number): string => formatQuantity(value, Object.entries(TIME_UNITS).toReversed());
