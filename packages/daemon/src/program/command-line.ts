import { HoldfastError } from '@holdfast/errors';
import { type Flags, givenValue, OWN_FLAGS } from '../settings/flags.ts';

/** What the command line asks for. */
export interface CommandLine {
  readonly wish: 'run' | 'help' | 'version' | 'print-settings';
  /** What was given as flags, in order. */
  readonly flags: Flags;
  readonly config?: string;
  /** What is no flag; only of commands that take some. */
  readonly operands: readonly string[];
}

const wrong = (thing: string, why: string, remedy: string): HoldfastError => new HoldfastError('SETTING_INVALID', { thing, why, remedy });

/** Understands `--name=value` and `--name value`; which settings there are, and so whether one lacks its value, is not its business. At most `most` arguments may be no flags. */
export const parseCommandLine = (argv: readonly string[], most = 0): CommandLine => {
  const operands: string[] = [];
  const flags: Flags[number][] = [];
  let wish: CommandLine['wish'] = 'run';
  let config: string | undefined;
  const rest = [...argv];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const [, name = '', inline] = /^--([a-z][a-z0-9.-]*)(?:=(.*))?$/s.exec(argument) ?? [];
    if (name === '' && !argument.startsWith('-') && operands.length < most) {
      operands.push(argument);
      continue;
    }
    if (name === '') throw wrong(`argument ${argument.slice(0, 100)}`, 'it is no flag', 'give flags as --NAME=VALUE; --help lists them');
    const asked = OWN_FLAGS.find((known) => known === name);
    if (asked !== undefined && asked !== 'config') {
      if (inline !== undefined) throw wrong(`--${name}`, 'it takes no value', `write --${name}`);
      if (wish !== 'help') wish = asked;
      continue;
    }
    const value = inline ?? (rest[0]?.startsWith('--') ? undefined : rest.shift());
    if (name === 'config') config = givenValue(name, value);
    else flags.push([name, value]);
  }
  return { wish, flags, operands, ...(config === undefined ? {} : { config }) };
};
