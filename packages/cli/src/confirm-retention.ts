import type { Policy } from '@holdfast/protocol';
import { type ConfirmOptions, confirm } from './confirm.ts';
import { keepsLess, retentionOf } from './parse-retention.ts';
import type { Surroundings } from './surroundings.ts';

/**
 * Asks where points that are kept by the policy `before` are kept by the retention `after` no more: keepers delete them, for good. `whose` they are stands in
 * the question, `word` is what is typed. Errors: SETTING_INVALID.
 */
export const confirmRetention = async (
  surroundings: Surroundings,
  options: ConfirmOptions,
  { before, after, whose, word }: { readonly before: Policy; readonly after: string; readonly whose: string; readonly word: string },
): Promise<void> => {
  if (!keepsLess(retentionOf(after), retentionOf(before.retention))) return;
  await confirm(
    surroundings,
    options,
    [
      `KEEP LESS of the history of ${whose}`,
      `  until now  ${before.retention}`,
      `  from now   ${after}`,
      '  lost       the recovery points that only the former kept: they are deleted, and do not come back with it',
    ],
    word,
  );
};
