import { type ErrorCode, HoldfastError } from '@holdfast/errors';
import type { MachineSummary } from '@holdfast/vault';
import { printable } from '../output/format.ts';
import { suggestion } from './near.ts';

/** What people call a machine. */
export const machineLabel = ({ name, id }: Pick<MachineSummary, 'name' | 'id'>): string => (name === '' ? id : printable(name));

/**
 * The machine meant by its name, its id or the beginning of its id; without a word the only one there is. Errors: MACHINE_NOT_FOUND, SETTING_INVALID
 * when several are meant.
 */
export const chooseMachine = (machines: readonly MachineSummary[], word: string | undefined): MachineSummary => {
  const [only] = machines;
  if (only === undefined)
    throw refuse('MACHINE_NOT_FOUND', 'vault', 'no machine is registered in it', 'check that this is the vault you mean');
  const labels = machines.map(machineLabel);
  if (word === undefined) {
    if (machines.length === 1) return only;
    throw refuse(
      'SETTING_INVALID',
      '--machine',
      `the vault holds ${machines.length} machines: ${suggestion('', labels)}`,
      'name one of them',
    );
  }
  const named = machines.filter(({ id, name }) => id === word.toLowerCase() || name === word);
  const meant = named.length > 0 ? named : machines.filter(({ id }) => word.length >= 2 && id.startsWith(word.toLowerCase()));
  if (meant.length === 1) return meant[0]!;
  if (meant.length === 0)
    throw refuse(
      'MACHINE_NOT_FOUND',
      `machine ${word}`,
      `the vault has no machine of this name or id; ${suggestion(word, labels)}`,
      'name one it has',
    );
  const ids = meant.map(({ id }) => id).join(', ');
  throw refuse('SETTING_INVALID', `machine ${word}`, `${meant.length} machines are meant: ${ids}`, 'give more of the id');
};

const refuse = (code: ErrorCode, thing: string, why: string, remedy: string): HoldfastError =>
  new HoldfastError(code, { thing, why, remedy });
