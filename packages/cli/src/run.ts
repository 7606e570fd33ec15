import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { CommanderError } from 'commander';
import { createProgram } from './program.ts';
import type { Surroundings } from './surroundings.ts';

/** Exit statuses of docs/errors.md that are no error's own. */
const STATUS = { good: 0, findings: 1, usage: 2 } as const;

/** What Commander says when it has shown what was asked for. */
const SHOWN = ['commander.helpDisplayed', 'commander.version'];
const UNKNOWN = ['commander.unknownOption', 'commander.unknownCommand', 'commander.excessArguments'];

/** Runs `holdfast` with these arguments to its exit status; errors are told on stderr. Never rejects. */
export const runHoldfast = async (args: readonly string[], world: Omit<Surroundings, 'onFindings'>): Promise<number> => {
  let status: number = STATUS.good;
  const onFindings = (): void => {
    status = STATUS.findings;
  };
  try {
    await createProgram({ ...world, onFindings }).parseAsync(args, { from: 'user' });
    return status;
  } catch (reason) {
    if (reason instanceof CommanderError && SHOWN.includes(reason.code)) return STATUS.good;
    // Help that is shown because no command was named.
    if (reason instanceof CommanderError && reason.code === 'commander.help') return STATUS.usage;
    const error = reason instanceof CommanderError ? usageError(reason) : reason;
    if (isHoldfastError(error)) {
      world.stderr.write(`${error.message}\n`);
      return error.exitCode;
    }
    const defect = new HoldfastError('INTERNAL', {
      thing: 'holdfast',
      why: String(error),
      remedy: 'please report this with the lines below',
      cause: error,
    });
    world.stderr.write(`${defect.message}\n${error instanceof Error ? `${error.stack}\n` : ''}`);
    return defect.exitCode;
  }
};

const usageError = ({ code, message }: CommanderError): HoldfastError =>
  new HoldfastError(UNKNOWN.includes(code) ? 'SETTING_UNKNOWN' : 'SETTING_INVALID', {
    thing: 'command line',
    why: message
      .replace(/^error: /, '')
      .replace(/\s*\n\s*/g, ' ')
      .trim(),
    remedy: 'see --help',
  });
