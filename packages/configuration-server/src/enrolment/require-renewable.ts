import { HoldfastError } from '@holdfast/errors';
import type { Peer } from '@holdfast/protocol';
import type { Stored } from '../records/kind.ts';
import type { MemberRecord } from '../records/kinds.ts';

/**
 * Tells whether the certificate that asks to be renewed has ended. One that has counts only while its member has nothing newer that lives:
 * a key from an old copy of its files is of no use beside the member itself. What was renewed from the same certificate, or was never shown, is
 * no hindrance, as the answer with it may have been lost. Throws CERTIFICATE_EXPIRED.
 */
export const requireRenewable = ({ id, value }: Stored<MemberRecord>, { serial, notAfter }: Peer): boolean => {
  const now = Date.now();
  if (notAfter > now) return false;
  const known = value.certificates.some((certificate) => certificate.serial === serial);
  const newer = value.certificates.find(
    (certificate) => certificate.notAfter > now && (certificate.seen ?? certificate.lateFrom !== serial),
  );
  if (known && newer === undefined) return true;
  throw new HoldfastError('CERTIFICATE_EXPIRED', {
    thing: `certificate ${serial} of ${value.role} ${id}`,
    why: known ? `it ended, and a newer one, ${newer!.serial}, is in use` : 'it ended, and this server counts it no more',
    remedy: 'if no copy of this machine runs elsewhere, enrol it with a new token: holdfast token create prints the command',
  });
};
