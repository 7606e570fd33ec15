import { HoldfastError } from '@holdfast/errors';
import type { Transaction } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';
import { openJobOf } from './open-job-of.ts';

/** Throws JOB_RUNNING while a job is at work on the machine. */
export const refuseBusy = async (store: StateStore, transaction: Transaction, machineId: string, name: string): Promise<void> => {
  const running = await openJobOf(store, machineId, transaction);
  if (running === undefined) return;
  throw new HoldfastError('JOB_RUNNING', {
    thing: `machine ${name}`,
    why: `job ${running.id} (${running.value.kind}) is at work on it`,
    remedy: `wait for it, or cancel it with \`holdfast job cancel ${running.id}\``,
  });
};
