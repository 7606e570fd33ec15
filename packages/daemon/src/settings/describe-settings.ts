import { FILE_SUFFIX, type Named, type NamedGroup, nameSettings } from './catalogue.ts';
import type { Schema } from './setting.ts';

const defaultOf = ({ setting }: Named): string => {
  if (setting.fallback !== undefined) return typeof setting.fallback === 'string' ? setting.fallback : `[${setting.fallback.join(', ')}]`;
  return setting.optional ? 'not set' : 'none: must be set';
};

const wrap = (text: string, indent: string, width = 100): string => {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 1 > width) lines.push(indent + word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join('\n');
};

const teach = (named: Named): string => {
  const { setting } = named;
  const where = setting.secret ? `${named.environment}, or ${named.path}${FILE_SUFFIX} names a file that holds it` : named.environment;
  return [
    `  ${named.path}`,
    wrap(`${setting.help}.`, '      '),
    wrap(`Allowed: ${setting.allowed}. Default: ${defaultOf(named)}. Environment: ${where}.`, '      '),
  ].join('\n');
};

const teachGroup = ({ name, group, settings }: NamedGroup): string => {
  const title = group.form === 'table' ? `${name}: NAME: (one for each ${group.entry})` : `${name}:`;
  return [title, wrap(group.help, '  '), '', ...settings.map(teach)].join('\n');
};

/** Everything --help says. */
export const helpText = (
  program: { readonly name: string; readonly summary: string },
  schema: Schema,
  defaultFile: string,
  commands: Readonly<Record<string, { readonly summary: string }>> = {},
): string =>
  [
    program.summary,
    '',
    `Usage: ${program.name} [--config FILE] [--SETTING=VALUE]...`,
    ...Object.keys(commands).map((command) => `       ${program.name} ${command} ...`),
    '',
    ...Object.entries(commands).flatMap(([command, { summary }]) => [
      `  ${command}`,
      wrap(`${summary} ${program.name} ${command} --help tells more.`, '      '),
      '',
    ]),
    '  --config FILE      settings file, YAML',
    wrap(`(default ${defaultFile}; environment: HOLDFAST_CONFIG)`, ' '.repeat(21)),
    '  --SETTING=VALUE    one of the settings below, such as --log.level=debug',
    '  --print-settings   show the settings in force and where each stands, then end',
    '  --version          show the version, then end',
    '  --help             show this, then end',
    '',
    wrap('Flags override the environment, and the environment overrides the file. An unknown setting is an error. In the file:', ''),
    '',
    '  log:',
    '    level: debug',
    '',
    'Exit status: 0 when told to stop; 2 a wrong setting; 3 to 9 and 70 as in docs/errors.md; 128 + N ended by a second signal N.',
    '',
    ...nameSettings(schema).map((group) => `${teachGroup(group)}\n`),
  ].join('\n');

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** The settings as Markdown tables, one a section, for docs/. */
export const settingsMarkdown = (schema: Schema): string =>
  nameSettings(schema)
    .map(({ name, group, settings }) =>
      [
        `### \`${name}\``,
        '',
        group.help,
        '',
        '| setting | meaning | allowed | default | environment |',
        '|---|---|---|---|---|',
        ...settings.map(
          (named) =>
            `| \`${named.path}\` | ${cell(named.setting.help)} | ${cell(named.setting.allowed)} | ${cell(defaultOf(named))} | \`${named.environment}\` |`,
        ),
        '',
      ].join('\n'),
    )
    .join('\n');
