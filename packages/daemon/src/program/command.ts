import type { Log } from '../log/log.ts';
import type { Fields, Schema, Values, ValuesOf } from '../settings/setting.ts';
import type { CommonSchema } from './common-settings.ts';

/** What the `run` of a command gets. */
export interface CommandContext<S extends Schema = Schema, O extends Fields = Fields> {
  /** Name of the program. */
  readonly name: string;
  readonly version: string;
  /** The same settings as the program itself would have: from the file, the environment and flags. */
  readonly settings: Values<S & CommonSchema>;
  /** The command's own options. */
  readonly options: ValuesOf<O>;
  /** What stood behind the name of the command without being a flag. */
  readonly operands: readonly string[];
  /** Lines for stderr. */
  readonly log: Log;
  /** Aborted by SIGINT and SIGTERM. */
  readonly stopping: AbortSignal;
  /** A line for people, on stdout. */
  print(line: string): void;
  /** One line of standard input, at most 4 KiB; on a terminal it is asked for by `prompt` and not shown. Undefined when nothing comes. */
  readSecret(prompt: string): Promise<string | undefined>;
  /** Makes the program's state directory where there is none, and names it. The program itself may be running there. */
  stateDirectory(): Promise<string>;
}

/** A thing a program can do beside its daily work: `holdfast-agent join …`. Made by `defineCommand`. */
export interface Command<S extends Schema = Schema> {
  /** What it does, in one sentence. */
  readonly summary: string;
  /** Options of its own, by camelCase names: `--token-file FILE`. Their names have no dot, those of settings have one. */
  readonly options: Fields;
  /** Names of operands in the help text, such as ['DIRECTORY']. Exactly so many are wanted. */
  readonly operands: readonly string[];
  /** Text that --help shows below the options. */
  readonly notes?: string;
  /** Does it; resolves with the exit status. A rejection is printed and gives its exit status. */
  run(context: CommandContext<S>): Promise<number>;
}

/** Describes a command; its options are typed within `run`. */
export const defineCommand = <S extends Schema, const O extends Fields>(command: {
  readonly summary: string;
  readonly options?: O;
  readonly operands?: readonly string[];
  readonly notes?: string;
  run(context: CommandContext<S, O>): Promise<number>;
}): Command<S> => ({ options: {}, operands: [], ...command }) as unknown as Command<S>;
