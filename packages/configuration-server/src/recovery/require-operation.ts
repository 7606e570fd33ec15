import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { Protection } from '@holdfast/protocol';
import type { Stored } from '../records/kind.ts';
import { type MachineRecord, protections } from '../records/kinds.ts';
import type { Transaction } from '../records/transaction.ts';
import { requestInvalid } from '../request-invalid.ts';
import { judge, type MachineState, machineState, type Operation } from './operations.ts';
import { openRecoveries } from './recovery-record.ts';

/** The error of an operation that is not possible; its code tells apart what people do about it. */
export const refusal = (name: string, state: MachineState, operation: Operation, test: boolean): HoldfastError | undefined => {
  const verdict = judge(state, operation, test);
  if (verdict.allowed) return undefined;
  const { since, why, remedy } = verdict;
  if (since !== undefined) return new HoldfastError('UNSUPPORTED_OPERATION', { thing: `${operation} of machine ${name}`, why, remedy });
  if (operation === 'protect')
    return new HoldfastError('MACHINE_PROTECTED', { thing: `machine ${name}`, why, remedy: 'see `holdfast machine show`' });
  if (state === 'unprotected' && operation !== 'clean-up-test' && operation !== 'remove')
    return new HoldfastError('MACHINE_NOT_PROTECTED', { thing: `machine ${name}`, why, remedy });
  return new HoldfastError('OPERATION_REFUSED', { thing: `${operation} of machine ${name}`, why, remedy });
};

/** Whether a test failover of the machine runs. */
export const hasTest = async (read: Pick<Transaction, 'read'>, machineId: string): Promise<boolean> =>
  (await read.read(openRecoveries, `${machineId}/test`)) !== undefined;

/**
 * The protection of a machine, in a state in which `operation` is possible; read in the transaction, so that it stays so until the commit. Throws
 * OPERATION_REFUSED, MACHINE_NOT_PROTECTED, MACHINE_PROTECTED or UNSUPPORTED_OPERATION.
 */
export const requireOperation = async (
  transaction: Pick<Transaction, 'read'>,
  { id, value }: Pick<Stored<MachineRecord>, 'id' | 'value'>,
  operation: Operation,
): Promise<Stored<Protection> | undefined> => {
  const protection = value.protectionId === '' ? undefined : await transaction.read(protections, value.protectionId);
  const error = refusal(value.name, machineState(protection?.value.state), operation, await hasTest(transaction, id));
  if (error !== undefined) throw error;
  return protection;
};

/** The same for operations that need a protection. */
export const protectionFor = async (
  transaction: Pick<Transaction, 'read'>,
  machine: Pick<Stored<MachineRecord>, 'id' | 'value'>,
  operation: Exclude<Operation, 'protect' | 'remove' | 'clean-up-test'>,
): Promise<Stored<Protection>> => (await requireOperation(transaction, machine, operation))!;

/** Why an operation cannot be ordered by its name alone: it is not possible now, or it takes more than a name. */
export const explain = async (
  transaction: Pick<Transaction, 'read'>,
  machine: Pick<Stored<MachineRecord>, 'id' | 'value'>,
  operation: Operation,
): Promise<HoldfastError> => {
  try {
    await requireOperation(transaction, machine, operation);
  } catch (reason) {
    if (isHoldfastError(reason)) return reason;
    throw reason;
  }
  return requestInvalid('operation', `${operation} takes more than a name`, 'use the call that is made for it');
};
