import type { Argument, Command, Option } from 'commander';

/** What a word on the command line may name, when it is not one of a few. */
export type NameKind = 'machine' | 'policy' | 'server' | 'vault' | 'job' | 'alert' | 'context';

export interface Candidates {
  /** Words that may stand there. */
  readonly words: readonly string[];
  /** What else may stand there: the name of one of these. */
  readonly names?: NameKind;
  /** Nothing of ours: a path, a number, words. */
  readonly isFree: boolean;
}

/** Arguments and options that take a name, by what they are called. */
const NAMES: Readonly<Record<string, NameKind>> = {
  machine: 'machine',
  policy: 'policy',
  server: 'server',
  'process-server': 'server',
  vault: 'vault',
  subject: 'machine',
  job: 'job',
  alert: 'alert',
  context: 'context',
};

const FREE: Candidates = { words: [], isFree: true };

const ofValue = (name: string, choices: readonly string[] | undefined): Candidates => {
  if (choices !== undefined && choices.length > 0) return { words: choices, isFree: false };
  const names = NAMES[name];
  return names === undefined ? FREE : { words: [], names, isFree: false };
};

/** What an option takes; a vault that is meant by its place has no name. */
const nameOf = (option: Option): string => (option.flags.endsWith('<url>') ? 'url' : option.name());

const takesValue = ({ required, optional }: Option): boolean => required || optional;

const optionOf = (command: Command, word: string): Option | undefined =>
  command.options.find(({ short, long }) => word === short || word === long || word.startsWith(`${long}=`));

const argumentAt = (command: Command, at: number): Argument | undefined => {
  const all = command.registeredArguments;
  return all[at] ?? (all.at(-1)?.variadic === true ? all.at(-1) : undefined);
};

/** What may stand at the place of the last of `words`, which are those behind `holdfast`; the last may be begun, or empty. */
export const candidates = (program: Command, words: readonly string[]): Candidates => {
  const last = words.at(-1) ?? '';
  let command = program;
  let position = 0;
  let awaiting: Option | undefined;
  for (const word of words.slice(0, -1)) {
    if (awaiting !== undefined) {
      awaiting = undefined;
      continue;
    }
    if (word.startsWith('-')) {
      const option = optionOf(command, word);
      awaiting = option?.required === true && !word.includes('=') ? option : undefined;
      continue;
    }
    const child = position > 0 ? undefined : command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (child === undefined) position += 1;
    else command = child;
  }
  if (awaiting !== undefined) return ofValue(nameOf(awaiting), awaiting.argChoices);
  if (last.startsWith('-')) {
    const [flag] = last.split('=');
    const option = last.includes('=') ? optionOf(command, flag!) : undefined;
    if (option !== undefined && takesValue(option)) {
      const { words: values, ...rest } = ofValue(nameOf(option), option.argChoices);
      return { ...rest, words: values.map((value) => `${flag}=${value}`) };
    }
    return { words: [...command.options.map(({ long }) => long ?? ''), '--help'].filter((word) => word !== ''), isFree: false };
  }
  // Behind a word that is no command of ours nothing is known.
  if (command.commands.length > 0) return { words: position > 0 ? [] : command.commands.map((one) => one.name()), isFree: false };
  const argument = argumentAt(command, position);
  return argument === undefined ? { words: [], isFree: false } : ofValue(argument.name(), argument.argChoices);
};
