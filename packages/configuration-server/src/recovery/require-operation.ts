import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { Protection } from '@holdfast/protocol';
import type { Stored } from '../records/kind.ts';
import { type MachineRecord, protections } from '../records/kinds.ts';
import type { Transaction } from '../records/transaction.ts';
import { requestInvalid } from '../request-invalid.ts';
import { judge, type MachineState, machineState, type Operation, type There } from './operations.ts';
import { committedRecoveries, openRecoveries } from './recovery-record.ts';

/** Operations that are about something else than its protection. */
const WITHOUT_PROTECTION: ReadonlySet<Operation> = new Set(['clean-up-test', 'remove', 'start-machine', 'forget-recovery']);

/** The error of an operation that is not possible; its code tells apart what people do about it. */
export const refusal = (name: string, state: MachineState, operation: Operation, there: There): HoldfastError | undefined => {
  const verdict = judge(state, operation, there);
  if (verdict.allowed) return undefined;
  const { since, why, remedy } = verdict;
  if (since !== undefined) return new HoldfastError('UNSUPPORTED_OPERATION', { thing: `${operation} of machine ${name}`, why, remedy });
  if (operation === 'protect') return new HoldfastError('MACHINE_PROTECTED', { thing: `machine ${name}`, why, remedy });
  if (state === 'unprotected' && !WITHOUT_PROTECTION.has(operation))
    return new HoldfastError('MACHINE_NOT_PROTECTED', { thing: `machine ${name}`, why, remedy });
  return new HoldfastError('OPERATION_REFUSED', { thing: `${operation} of machine ${name}`, why, remedy });
};

/** What there is of the machine at the recovery site. */
export const thereOf = async (read: Pick<Transaction, 'read'>, machineId: string): Promise<Required<There>> => {
  const test = (await read.read(openRecoveries, `${machineId}/test`)) !== undefined;
  const failover = (await read.read(openRecoveries, `${machineId}/failover`)) !== undefined;
  const committed = (await read.read(committedRecoveries, machineId)) !== undefined;
  return { test, committed, recovered: test || failover || committed };
};

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
  const error = refusal(value.name, machineState(protection?.value.state), operation, await thereOf(transaction, id));
  if (error !== undefined) throw error;
  return protection;
};

/** The same for operations that need a protection. */
export const protectionFor = async (
  transaction: Pick<Transaction, 'read'>,
  machine: Pick<Stored<MachineRecord>, 'id' | 'value'>,
  operation: Exclude<Operation, 'protect' | 'remove' | 'clean-up-test' | 'start-machine' | 'forget-recovery'>,
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
