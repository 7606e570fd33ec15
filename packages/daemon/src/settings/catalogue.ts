import { HoldfastError } from '@holdfast/errors';
import { ENTRY_NAME, environmentName, kebab } from './names.ts';
import type { Fields, Schema, Section, Setting, Table } from './setting.ts';

/** One setting with the names it goes by. In a table, `NAME` stands for the name the user chooses. */
export interface Named {
  /** "journal.quota" or "vaults.NAME.url": in files, flags and messages. */
  readonly path: string;
  readonly environment: string;
  readonly setting: Setting<unknown>;
  /** Names in code. */
  readonly group: string;
  readonly field: string;
}

/** A group of settings, in the order of the schema. */
export interface NamedGroup {
  readonly name: string;
  readonly key: string;
  readonly group: Section | Table;
  readonly settings: readonly Named[];
}

/** Where the value of a path belongs. */
export interface Place {
  readonly named: Named;
  /** Name of the entry, in a table. */
  readonly entry?: string;
  /** True for `…-file`: not the secret but the path of the file that holds it. */
  readonly fromFile: boolean;
}

/** Ends the name of the setting that tells which file holds a secret. */
export const FILE_SUFFIX = '-file';

const nameFields = (key: string, form: 'section' | 'table', fields: Fields): Named[] =>
  Object.entries(fields).map(([field, setting]) => ({
    path: form === 'table' ? `${kebab(key)}.NAME.${kebab(field)}` : `${kebab(key)}.${kebab(field)}`,
    environment: form === 'table' ? environmentName(key, 'name', field) : environmentName(key, field),
    setting,
    group: key,
    field,
  }));

/** All groups of a schema with their names. */
export const nameSettings = (schema: Schema): NamedGroup[] => {
  const groups = Object.entries(schema).map(([key, group]) => ({
    name: kebab(key),
    key,
    group,
    settings: nameFields(key, group.form, group.fields),
  }));
  const variables = groups.flatMap(({ settings }) => settings.map(({ environment }) => environment));
  const twice = variables.find((variable, index) => variables.indexOf(variable) !== index);
  if (twice === undefined) return groups;
  throw new HoldfastError('INTERNAL', {
    thing: twice,
    why: 'two settings have this name in the environment',
    remedy: 'report this defect',
  });
};

/** Every path that may stand in a file or flag, in a table with NAME. */
export const knownPaths = (groups: readonly NamedGroup[]): string[] =>
  groups.flatMap(({ settings }) => settings.flatMap(({ path, setting }) => (setting.secret ? [path, path + FILE_SUFFIX] : [path])));

const findField = (group: NamedGroup, field: string): Omit<Place, 'entry'> | undefined => {
  const exact = group.settings.find((named) => kebab(named.field) === field);
  if (exact !== undefined) return { named: exact, fromFile: false };
  const secret = group.settings.find((named) => named.setting.secret && kebab(named.field) + FILE_SUFFIX === field);
  return secret === undefined ? undefined : { named: secret, fromFile: true };
};

/** Where `path` belongs; undefined when there is no such setting. */
export const findPath = (groups: readonly NamedGroup[], path: readonly string[]): Place | undefined => {
  const group = groups.find(({ name }) => name === path[0]);
  if (group === undefined) return undefined;
  if (group.group.form === 'section') return path.length === 2 ? findField(group, path[1]!) : undefined;
  const [, entry = '', field = ''] = path;
  if (path.length !== 3 || !ENTRY_NAME.test(entry)) return undefined;
  const found = findField(group, field);
  return found === undefined ? undefined : { ...found, entry };
};
