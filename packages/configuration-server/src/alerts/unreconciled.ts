import { aboutTime } from '@holdfast/daemon';
import type { ReconciliationState } from '../reconcile/reconciliation.ts';
import type { Condition } from './conditions.ts';

/** A server that was restored steers nothing until it knows what happened since, or somebody says that it need not. */
export const unreconciled = ({ restored, missing, differences }: ReconciliationState, now: number): Condition => {
  const [first] = [...missing, ...differences];
  const more = missing.length + differences.length - 1;
  const why = first === undefined ? 'members may still connect' : more > 0 ? `${first}; and ${more} more` : first;
  return {
    severity: 'critical',
    code: 'restored-unconfirmed',
    text: `This server was restored from ${restored.from === 'backup' ? 'a backup' : 'vaults'}, ${aboutTime(now - restored.made)} old: members keep what they were told before, nothing is thinned and no job goes on until that is reconciled (${why}), or confirmed: holdfast restore confirm`,
  };
};
