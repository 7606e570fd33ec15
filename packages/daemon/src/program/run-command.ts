import { HoldfastError } from '@holdfast/errors';
import { createLog, logDestination } from '../log/create-log.ts';
import type { LoadedSettings } from '../settings/load-settings.ts';
import { nearestName } from '../settings/names.ts';
import type { Schema, Values } from '../settings/setting.ts';
import { makeStateDirectory } from '../state/state-directory.ts';
import type { Command } from './command.ts';
import { type CommandLine, parseCommandLine } from './command-line.ts';
import { describeOptions, settleOptions, splitOptions } from './command-options.ts';
import type { CommonSchema } from './common-settings.ts';
import type { Host } from './host.ts';
import type { Program } from './program.ts';

export interface FoundCommand<S extends Schema> {
  readonly name: string;
  /** Words its name has. */
  readonly words: number;
  readonly command: Command<S>;
}

/** The command that the first arguments name; undefined when they are flags only. Throws SETTING_INVALID for one that is not there. */
export const findCommand = <S extends Schema>(
  commands: Readonly<Record<string, Command<S>>>,
  argv: readonly string[],
): FoundCommand<S> | undefined => {
  const known = Object.entries(commands).toSorted(([a], [b]) => b.length - a.length);
  if (known.length === 0 || argv[0] === undefined || argv[0].startsWith('-')) return undefined;
  for (const [name, command] of known) {
    const words = name.split(' ').length;
    if (argv.slice(0, words).join(' ') === name) return { name, words, command };
  }
  const asked = argv
    .filter((argument) => !argument.startsWith('-'))
    .slice(0, 2)
    .join(' ')
    .slice(0, 100);
  const names = known.map(([name]) => name);
  // What follows the first word may be an operand of what is meant.
  const nearest = nearestName(asked, names) ?? nearestName(argv[0], names);
  throw new HoldfastError('SETTING_INVALID', {
    thing: `command ${asked}`,
    why: 'there is no such command',
    remedy: nearest === undefined ? '--help lists all there are' : `perhaps ${nearest} is meant; --help lists all`,
  });
};

/** Everything `PROGRAM COMMAND --help` says. */
const commandHelp = (program: string, name: string, { summary, options, operands, notes }: Command): string =>
  [
    summary,
    '',
    `Usage: ${[program, name, ...operands, '[--OPTION=VALUE]...', '[--SETTING=VALUE]...'].join(' ')}`,
    '',
    ...describeOptions(options),
    '',
    ...(notes === undefined ? [] : [notes, '']),
    `Settings are those of the program itself, from the same file and environment: ${program} --help lists them.`,
    '',
  ].join('\n');

const requireOperands = (name: string, { operands }: Command, given: readonly string[]): void => {
  const missing = operands[given.length];
  if (missing === undefined) return;
  throw new HoldfastError('SETTING_INVALID', {
    thing: `command ${name}`,
    why: `${missing} is missing`,
    remedy: `write ${[name, ...operands].join(' ')}; --help tells more`,
  });
};

export interface RunCommandOptions<S extends Schema> {
  readonly program: Program<S>;
  readonly host: Host;
  /** Arguments behind the name of the command. */
  readonly argv: readonly string[];
  load(commandLine: CommandLine): Promise<LoadedSettings<S & CommonSchema>>;
}

/** Runs a command with the settings of its program and gives the exit status. */
export const runCommand = async <S extends Schema>(
  { name, command }: FoundCommand<S>,
  { program, host, argv, load }: RunCommandOptions<S>,
): Promise<number> => {
  const commandLine = parseCommandLine(argv, command.operands.length);
  if (commandLine.wish === 'help') {
    host.print(commandHelp(program.name, name, command as Command));
    return 0;
  }
  const { own, settings } = splitOptions(commandLine.flags);
  const options = settleOptions(command.options, own, host.workingDirectory);
  requireOperands(name, command as Command, commandLine.operands);
  const { values } = await load({ ...commandLine, flags: settings });

  const stopping = new AbortController();
  const log = createLog({ program: program.name, level: 'warn', destination: logDestination('stderr') });
  const stop = (reason: string | Error): void =>
    stopping.abort(new HoldfastError('INTERRUPTED', { thing: `command ${name}`, why: String(reason), remedy: 'run it again' }));
  host.attach({ stopping: stopping.signal, stop }, (message, error) => log.error(message, { error }));

  return command.run({
    name: program.name,
    version: program.version,
    settings: values,
    options,
    operands: commandLine.operands,
    log,
    stopping: stopping.signal,
    print: (line) => host.print(`${line}\n`),
    readSecret: (prompt) => host.readSecret(prompt, stopping.signal),
    async stateDirectory() {
      const { directory } = (values as Values<CommonSchema>).state;
      await makeStateDirectory(directory);
      return directory;
    },
  });
};
