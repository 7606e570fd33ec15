import { type ParseArgsConfig, parseArgs } from 'node:util';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';

/** `parseArgs` of node, strict, with our errors: SETTING_UNKNOWN for an option that does not exist, else SETTING_INVALID. */
export const parseCommandLine = <T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> => {
  try {
    return parseArgs(config);
  } catch (reason) {
    const { code, message } = reason as NodeJS.ErrnoException;
    const unknown = code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' || code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL';
    throw new HoldfastError(unknown ? 'SETTING_UNKNOWN' : 'SETTING_INVALID', {
      thing: 'command line',
      why: message.split('. ')[0] ?? message,
      remedy: 'see --help',
      cause: reason,
    });
  }
};

/** A number given on the command line; SETTING_INVALID when it is none, or less than `least`. */
export const parseNumber = (option: string, text: string, least: number): number => {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= least) return value;
  throw new HoldfastError('SETTING_INVALID', {
    thing: option,
    why: `"${text}" is no number`,
    remedy: `give a number of at least ${least}`,
  });
};

/** Runs a command to its exit status; one of our errors is one line and its own status, anything else is a defect and shows its stack. */
export const runMain = async (main: (args: string[]) => Promise<number>): Promise<void> => {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (reason) {
    if (!isHoldfastError(reason)) throw reason;
    console.error(reason.message);
    process.exitCode = reason.exitCode;
  }
};
