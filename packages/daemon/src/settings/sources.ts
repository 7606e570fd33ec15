import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { parseDocument } from 'yaml';
import { FILE_SUFFIX, findPath, knownPaths, type NamedGroup } from './catalogue.ts';
import { type Flags, givenValue, OWN_FLAGS } from './flags.ts';
import { ENVIRONMENT_PREFIX, environmentName, environmentPart, kebab, nearestName } from './names.ts';
import type { RawValue } from './setting.ts';

/** A value somebody set. */
export interface Given {
  readonly path: readonly string[];
  readonly raw: RawValue;
  /** Where it stands: "/etc/holdfast/agent.yaml", "HOLDFAST_JOURNAL_QUOTA", "--journal.quota". */
  readonly origin: string;
  readonly source: 'file' | 'environment' | 'flag';
  /** Relative paths start here. */
  readonly base: string;
}

/** A settings file larger than this is not one. */
const LARGEST_FILE = 1024 * 1024;

export const unknownSetting = (groups: readonly NamedGroup[], name: string, origin: string): HoldfastError => {
  const nearest = nearestName(name, knownPaths(groups));
  return new HoldfastError('SETTING_UNKNOWN', {
    thing: `setting ${name.slice(0, 100)} (${origin})`,
    why: 'there is no such setting',
    remedy: nearest === undefined ? 'remove it; --help lists all settings' : `perhaps ${nearest} is meant; --help lists all settings`,
  });
};

const invalidFile = (file: string, why: string): HoldfastError =>
  new HoldfastError('SETTING_INVALID', {
    thing: file,
    why,
    remedy: 'write it as YAML: sections with settings, as --print-settings shows them',
  });

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const asRaw = (value: unknown): RawValue | undefined => {
  if (typeof value === 'string') return value;
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? (value as readonly string[]) : undefined;
};

/** What YAML says, with all scalars as text; null when it says nothing. */
const readYaml = (text: string, file: string): unknown => {
  const document = parseDocument(text, { schema: 'failsafe', stringKeys: true });
  const [problem] = document.errors;
  if (problem !== undefined) throw invalidFile(file, problem.message.split('\n')[0]!.replace(/:$/, ''));
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (reason) {
    throw invalidFile(file, (reason as Error).message);
  }
};

/** The settings that stand in YAML text. All scalars are text: what they mean is the business of each setting. */
const givenInYaml = (text: string, file: string, groups: readonly NamedGroup[]): Given[] => {
  const root = readYaml(text, file);
  if (root === null) return [];
  if (!isMapping(root)) throw invalidFile(file, 'it is not a mapping of sections');
  const given: Given[] = [];
  const walk = (value: unknown, names: readonly string[], depth: number): void => {
    const name = names.join('.');
    const raw = depth === 0 ? asRaw(value) : undefined;
    if (raw !== undefined) given.push({ path: names, raw, origin: file, source: 'file', base: path.dirname(path.resolve(file)) });
    else if (depth > 0 && isMapping(value)) for (const [key, inner] of Object.entries(value)) walk(inner, [...names, key], depth - 1);
    else if (depth === 0 || value !== '')
      throw invalidFile(file, `${name} is not ${depth === 0 ? 'a value or a list of values' : 'a mapping'}`);
  };
  for (const [key, value] of Object.entries(root)) {
    const group = groups.find(({ name }) => name === key);
    if (group === undefined) throw unknownSetting(groups, key, file);
    walk(value, [key], group.group.form === 'table' ? 2 : 1);
  }
  return given;
};

/** The settings that stand in a file; none when it is absent and `required` is false. */
export const givenInFile = async (file: string, required: boolean, groups: readonly NamedGroup[]): Promise<Given[]> => {
  const text = await stat(file)
    .then(({ size }) => {
      if (size > LARGEST_FILE) throw invalidFile(file, `it is larger than ${LARGEST_FILE} bytes`);
      return readFile(file, 'utf8');
    })
    .catch((reason: NodeJS.ErrnoException) => {
      if (reason.code === 'ENOENT' && !required) return '';
      throw fromSystem(reason, file);
    });
  return givenInYaml(text, file, groups);
};

/** The path that a variable names in this group: ["journal", "quota"]; of an entry's name only lower case and hyphens are possible. */
const pathOfVariable = (variable: string, group: NamedGroup): string[] | undefined => {
  const rest = variable.slice(environmentName(group.key).length + 1);
  const fields = group.settings
    .flatMap(({ field, setting }) => (setting.secret ? [kebab(field), kebab(field) + FILE_SUFFIX] : [kebab(field)]))
    .toSorted((a, b) => b.length - a.length);
  if (group.group.form === 'section') {
    const field = fields.find((candidate) => environmentPart(candidate) === rest);
    return field === undefined ? undefined : [group.name, field];
  }
  const field = fields.find((candidate) => rest.endsWith(`_${environmentPart(candidate)}`));
  if (field === undefined) return undefined;
  const entry = rest.slice(0, -environmentPart(field).length - 1);
  return [group.name, entry.toLowerCase().replaceAll('_', '-'), field];
};

/**
 * The settings that stand in the environment. An empty variable counts as not set. A variable that begins like a section but names none
 * of its settings is refused; `ignored` are others with our prefix.
 */
export const givenInEnvironment = (
  environment: Readonly<Record<string, string | undefined>>,
  groups: readonly NamedGroup[],
  base: string,
): { given: Given[]; ignored: string[] } => {
  const given: Given[] = [];
  const ignored: string[] = [];
  for (const [variable, raw] of Object.entries(environment)) {
    if (!variable.startsWith(ENVIRONMENT_PREFIX) || variable === CONFIG_VARIABLE || raw === undefined || raw === '') continue;
    const section = groups.filter(({ key }) => variable.startsWith(`${environmentName(key)}_`));
    const names = section.map((group) => pathOfVariable(variable, group)).find((found) => found !== undefined);
    if (names !== undefined) given.push({ path: names, raw, origin: variable, source: 'environment', base });
    else if (section.length === 0) ignored.push(variable);
    else
      throw unknownSetting(
        groups,
        variable.slice(ENVIRONMENT_PREFIX.length).toLowerCase().replace('_', '.').replaceAll('_', '-'),
        variable,
      );
  }
  return { given, ignored };
};

/** Names the settings file, like --config. */
export const CONFIG_VARIABLE = `${ENVIRONMENT_PREFIX}CONFIG`;

const unknownFlag = (groups: readonly NamedGroup[], name: string): HoldfastError => {
  const nearest = nearestName(name, [...OWN_FLAGS, ...knownPaths(groups)]);
  return new HoldfastError('SETTING_UNKNOWN', {
    thing: `option --${name.slice(0, 100)}`,
    why: 'there is no such option',
    remedy: nearest === undefined ? 'leave it out; --help lists all settings' : `perhaps --${nearest} is meant; --help lists all settings`,
  });
};

/** The settings given as flags. Secrets are refused: every user of a machine can read command lines. */
export const givenInFlags = (flags: Flags, groups: readonly NamedGroup[], base: string): Given[] =>
  flags.map(([name, value]) => {
    const names = name.split('.');
    const place = findPath(groups, names);
    if (place === undefined) throw unknownFlag(groups, name);
    if (place.named.setting.secret && !place.fromFile) {
      throw new HoldfastError('SETTING_INVALID', {
        thing: `setting ${name} (--${name})`,
        why: 'every user of this machine could read a secret on the command line',
        remedy: `put it into a file and give --${name}${FILE_SUFFIX}, or set it in the environment or the settings file`,
      });
    }
    return { path: names, raw: givenValue(name, value), origin: `--${name}`, source: 'flag', base };
  });
