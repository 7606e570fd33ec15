import type { Stored } from '../records/kind.ts';
import { type MemberRecord, revocations } from '../records/kinds.ts';
import type { Transaction } from '../records/transaction.ts';

/** Makes certificates of a member count no more, those too that have ended: by a clock that is late they have not, and they could be renewed. */
export const revokeSerials = (transaction: Transaction, member: string, certificates: MemberRecord['certificates']): void => {
  for (const { serial, notAfter } of certificates) transaction.put(revocations, serial, { member, notAfter });
};

/** Makes every certificate of a member count no more. */
export const revokeCertificates = (transaction: Transaction, { id, value }: Stored<MemberRecord>): void =>
  revokeSerials(transaction, id, value.certificates);
