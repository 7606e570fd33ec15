import { HoldfastError } from '@holdfast/errors';
import { Option } from 'commander';
import { orStopped } from './or-stopped.ts';
import { printable } from './output/format.ts';
import type { Surroundings } from './surroundings.ts';

export interface ConfirmOptions {
  readonly yes?: true;
}

export const yesOption = (): Option => new Option('-y, --yes', 'do it without asking');

/** Says what is about to happen and goes on when somebody wants that: by typing `word`, or by --yes. Errors: SETTING_INVALID. */
export const confirm = async (
  { stderr, ask, stop }: Surroundings,
  { yes }: ConfirmOptions,
  lines: readonly string[],
  word: string,
): Promise<void> => {
  for (const line of lines) stderr.write(`${printable(line)}\n`);
  if (yes === true) return;
  const refuse = (why: string): HoldfastError =>
    new HoldfastError('SETTING_INVALID', { thing: 'confirmation', why, remedy: 'add --yes when all of that is meant' });
  if (ask === undefined) throw refuse('nobody can be asked here');
  const said = await orStopped(stop, ask(`Type ${printable(word)} to go on: `));
  if (said.trim() !== word) throw refuse(`${JSON.stringify(said.trim().slice(0, 60))} was typed, not ${word}`);
};
