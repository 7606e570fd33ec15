import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { FILE_SUFFIX, findPath, type Named, type NamedGroup, nameSettings, type Place } from './catalogue.ts';
import type { Flags } from './flags.ts';
import type { RawValue, Schema, Values } from './setting.ts';
import { type Given, givenInEnvironment, givenInFile, givenInFlags, unknownSetting } from './sources.ts';

/** One setting as it is in force. */
export interface Effective {
  readonly path: string;
  /** As text, to be shown; of a secret only that it is set. Absent when the setting is not set. */
  readonly shown?: RawValue;
  readonly secret: boolean;
  /** "default", or where it stands. */
  readonly origin: string;
}

export interface LoadedSettings<S extends Schema> {
  readonly values: Values<S>;
  readonly effective: readonly Effective[];
  /** Things that work and should be looked at. */
  readonly warnings: readonly string[];
}

/** Where settings come from; later ones override: file, environment, flags. */
export interface SettingSources {
  /** The settings file; `required` when the user named it, so that it must exist. */
  readonly file?: { readonly path: string; readonly required: boolean };
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly flags: Flags;
  /** Relative paths of environment and flags start here. */
  readonly base: string;
}

const LARGEST_SECRET = 64 * 1024;

const readSecret = async (file: string, thing: string, warnings: string[]): Promise<string> => {
  try {
    const { mode, size } = await stat(file);
    if (size > LARGEST_SECRET) throw new Error(`it is larger than ${LARGEST_SECRET} bytes`);
    if ((mode & 0o007) !== 0) warnings.push(`${file} holds a secret and is open to every user of this machine`);
    return (await readFile(file, 'utf8')).replace(/\r?\n$/, '');
  } catch (reason) {
    const { code, why } = fromSystem(reason, file);
    throw new HoldfastError(code, { thing: `${thing}: ${file}`, why, remedy: 'name a file that holds the secret', cause: reason });
  }
};

const invalid = (thing: string, raw: RawValue | undefined, { setting }: Named, why: string): HoldfastError => {
  const quoted = raw === undefined || setting.secret ? '' : `${JSON.stringify(raw).slice(0, 100)}: `;
  return new HoldfastError('SETTING_INVALID', { thing, why: quoted + why, remedy: `give ${setting.allowed}` });
};

/** Puts what several sources give into the values of a schema. */
const createSettler = (warnings: string[]) => {
  const effective: Effective[] = [];

  const understand = (named: Named, thing: string, raw: RawValue, base: string): unknown => {
    try {
      return named.setting.parse(raw, base);
    } catch (reason) {
      throw invalid(thing, raw, named, reason instanceof Error ? reason.message : String(reason));
    }
  };

  const settle = async (
    named: Named,
    name: string,
    given: { readonly value: Given; readonly place: Place } | undefined,
  ): Promise<unknown> => {
    const { setting } = named;
    if (given === undefined) {
      effective.push({
        path: name,
        ...(setting.fallback === undefined ? {} : { shown: setting.fallback }),
        secret: setting.secret,
        origin: 'default',
      });
      if (setting.fallback !== undefined) return understand(named, `default of ${name}`, setting.fallback, path.sep);
      if (setting.optional) return undefined;
      throw invalid(`setting ${name}`, undefined, named, 'it is not set and has no default');
    }
    const { value, place } = given;
    const thing = `setting ${name}${place.fromFile ? FILE_SUFFIX : ''} (${value.origin})`;
    const raw = place.fromFile ? await readSecret(path.resolve(value.base, String(value.raw)), thing, warnings) : value.raw;
    const understood = understand(named, thing, raw, value.base);
    const shown = setting.secret ? '[secret]' : (setting.show?.(understood) ?? value.raw);
    effective.push({ path: name, shown, secret: setting.secret, origin: value.origin });
    return understood;
  };
  return { effective, settle };
};

const givenTwice = (name: string, origin: string): HoldfastError =>
  new HoldfastError('SETTING_INVALID', {
    thing: `setting ${name} (${origin})`,
    why: `both the secret and ${name}${FILE_SUFFIX} are given`,
    remedy: 'give one of them',
  });

const nameOf = (names: readonly string[]): string => names.join('.');

/** Reads all sources and checks everything. Throws SETTING_UNKNOWN or SETTING_INVALID, naming the setting, its origin and what is allowed. */
export const loadSettings = async <S extends Schema>(schema: S, sources: SettingSources): Promise<LoadedSettings<S>> => {
  const groups: NamedGroup[] = nameSettings(schema);
  const warnings: string[] = [];
  const { given: inEnvironment, ignored } = givenInEnvironment(sources.environment, groups, sources.base);
  const given = [
    ...(sources.file === undefined ? [] : await givenInFile(sources.file.path, sources.file.required, groups)),
    ...inEnvironment,
    ...givenInFlags(sources.flags, groups, sources.base),
  ];
  for (const variable of ignored) warnings.push(`${variable} in the environment is no setting of this program`);

  const winners = new Map<string, { readonly value: Given; readonly place: Place }>();
  for (const value of given) {
    const place = findPath(groups, value.path);
    if (place === undefined) throw unknownSetting(groups, nameOf(value.path), value.origin);
    const field = place.fromFile ? value.path.with(-1, value.path.at(-1)!.slice(0, -FILE_SUFFIX.length)) : value.path;
    const name = nameOf(field);
    const other = winners.get(name);
    if (other?.value.source === value.source && other.place.fromFile !== place.fromFile) throw givenTwice(name, value.origin);
    winners.set(name, { value, place });
  }

  const { effective, settle } = createSettler(warnings);
  const settleGroup = async (group: NamedGroup, entry?: string): Promise<Record<string, unknown>> => {
    const values: Record<string, unknown> = {};
    for (const named of group.settings) {
      const name = named.path.replace('.NAME.', `.${entry}.`);
      values[named.field] = await settle(named, name, winners.get(name));
    }
    return Object.freeze(values);
  };
  const values: Record<string, unknown> = {};
  for (const group of groups) {
    if (group.group.form === 'section') {
      values[group.key] = await settleGroup(group);
      continue;
    }
    const entries = new Set([...winners.values()].filter(({ place }) => place.named.group === group.key).map(({ place }) => place.entry!));
    const rows: Record<string, unknown> = {};
    for (const entry of entries) rows[entry] = await settleGroup(group, entry);
    values[group.key] = Object.freeze(rows);
  }
  return { values: Object.freeze(values) as Values<S>, effective, warnings };
};
