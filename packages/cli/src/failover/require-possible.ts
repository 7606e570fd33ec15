import { ERROR_CODES, type ErrorCode, HoldfastError } from '@holdfast/errors';
import type { Machine } from '@holdfast/protocol';
import type { Site } from '../site/site.ts';

/** Before people are asked whether they mean it: throws the server's refusal of an operation that is not possible now. */
export const requirePossible = async (
  { recoveries }: Pick<Site, 'recoveries'>,
  { id, name }: Pick<Machine, 'id' | 'name'>,
  operation: 'failover' | 'change-point' | 'cancel-failover',
): Promise<void> => {
  const { operations } = await recoveries.listOperations({ machine: id });
  const verdict = operations.find((one) => one.operation === operation);
  if (verdict === undefined || verdict.allowed) return;
  const { problemCode, why, remedy } = verdict;
  const code = Object.hasOwn(ERROR_CODES, problemCode) ? (problemCode as ErrorCode) : 'OPERATION_REFUSED';
  throw new HoldfastError(code, { thing: `${operation} of machine ${name}`, why, remedy });
};
