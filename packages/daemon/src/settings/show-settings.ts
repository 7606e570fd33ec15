import { redactText } from '../log/redact.ts';
import type { Effective } from './load-settings.ts';
import type { RawValue } from './setting.ts';

/** A scalar as YAML that reads back as the same text. */
const scalar = (text: string): string => (/^[A-Za-z0-9/]([\w./@+:-]*[\w./@+-])?$/.test(text) ? text : JSON.stringify(text));

const shown = (raw: RawValue): string =>
  typeof raw === 'string' ? scalar(redactText(raw)) : `[${raw.map((item) => JSON.stringify(redactText(item))).join(', ')}]`;

const line = ({ path, shown: value, secret, origin }: Effective): string => {
  const indent = '  '.repeat(path.split('.').length - 1);
  const name = path.split('.').at(-1)!;
  if (value === undefined) return `${indent}# ${name}: not set`;
  return secret ? `${indent}# ${name}: set, not shown  (${origin})` : `${indent}${name}: ${shown(value)}  # ${origin}`;
};

/** The settings in force as YAML with the origin of each, as --print-settings writes them: a settings file to begin with. */
export const showSettings = (effective: readonly Effective[]): string => {
  const lines: string[] = [];
  let open: string[] = [];
  for (const setting of effective) {
    const groups = setting.path.split('.').slice(0, -1);
    groups.forEach((group, depth) => {
      if (open[depth] === group && open.length > depth) return;
      lines.push(`${'  '.repeat(depth)}${group}:`);
      open = [...open.slice(0, depth), group];
    });
    lines.push(line(setting));
  }
  return `${lines.join('\n')}\n`;
};
