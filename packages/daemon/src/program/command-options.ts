import { HoldfastError } from '@holdfast/errors';
import { type Flags, givenValue } from '../settings/flags.ts';
import { kebab, nearestName } from '../settings/names.ts';
import type { Fields, Setting } from '../settings/setting.ts';

const invalid = (name: string, why: string, setting: Setting<unknown>): HoldfastError =>
  new HoldfastError('SETTING_INVALID', { thing: `option --${name}`, why, remedy: `give ${setting.allowed}` });

/** Takes options of a command and settings of its program apart: names of settings have a dot. */
export const splitOptions = (flags: Flags): { readonly own: Flags; readonly settings: Flags } => ({
  own: flags.filter(([name]) => !name.includes('.')),
  settings: flags.filter(([name]) => name.includes('.')),
});

/** Understands the options given to a command. Throws SETTING_UNKNOWN or SETTING_INVALID. */
export const settleOptions = (fields: Fields, given: Flags, base: string): Readonly<Record<string, unknown>> => {
  const names = new Map(Object.keys(fields).map((field) => [kebab(field), field]));
  const raw = new Map(given);
  for (const name of raw.keys()) {
    if (names.has(name)) continue;
    const nearest = nearestName(name, [...names.keys()]);
    throw new HoldfastError('SETTING_UNKNOWN', {
      thing: `option --${name.slice(0, 100)}`,
      why: 'this command has no such option',
      remedy: nearest === undefined ? 'leave it out; --help shows what there is' : `perhaps --${nearest} is meant; --help lists all`,
    });
  }
  const settled: Record<string, unknown> = {};
  for (const [name, field] of names) {
    const setting = fields[field]!;
    const value = raw.has(name) ? givenValue(name, raw.get(name)) : setting.fallback;
    if (value === undefined) {
      if (!setting.optional) throw invalid(name, 'it is missing', setting);
      continue;
    }
    try {
      settled[field] = setting.parse(value, base);
    } catch (reason) {
      throw invalid(name, `${JSON.stringify(value).slice(0, 100)}: ${(reason as Error).message}`, setting);
    }
  }
  return settled;
};

/** The lines of --help about options. */
export const describeOptions = (fields: Fields): string[] =>
  Object.entries(fields).flatMap(([field, { help, allowed, fallback, optional }]) => [
    `  --${kebab(field)}`,
    `      ${help}.`,
    `      Allowed: ${allowed}. ${fallback === undefined ? (optional ? 'May be left out.' : 'Must be given.') : `Default: ${String(fallback)}.`}`,
  ]);
