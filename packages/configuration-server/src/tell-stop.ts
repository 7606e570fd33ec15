import { transact } from './records/transaction.ts';
import type { StateStore } from './state/state-store.ts';

/** One event for a stop in order, instead of one for each member that is not connected any more. */
export const tellStop = async (store: StateStore): Promise<void> => {
  await transact(store, async (transaction) =>
    transaction.event({
      severity: 'information',
      code: 'configuration-server-stopped',
      text: 'This configuration server was stopped in order; replication goes on without it',
      subject: '',
      actor: 'configuration server',
    }),
  );
};
