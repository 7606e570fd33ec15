import type { Transaction } from '../records/transaction.ts';
import { committedRecoveries } from './recovery-record.ts';

/** Notes in a commit that a recovery of the machine was committed, and is looked after. */
export const addCommitted = async (transaction: Transaction, machineId: string, recovery: string): Promise<void> => {
  const before = (await transaction.read(committedRecoveries, machineId))?.value;
  const others = before === undefined ? [] : [before.recovery, ...(before.older ?? [])].filter((one) => one !== recovery);
  transaction.put(committedRecoveries, machineId, { recovery, ...(others.length > 0 && { older: others }) });
};

/** Notes in a commit that one is looked after no more; the others stay known. */
export const removeCommitted = async (transaction: Transaction, machineId: string, recovery: string): Promise<void> => {
  const before = (await transaction.read(committedRecoveries, machineId))?.value;
  if (before === undefined) return;
  const [newest, ...older] = [before.recovery, ...(before.older ?? [])].filter((one) => one !== recovery);
  if (newest === undefined) transaction.delete(committedRecoveries, machineId);
  else transaction.put(committedRecoveries, machineId, { recovery: newest, ...(older.length > 0 && { older }) });
};
