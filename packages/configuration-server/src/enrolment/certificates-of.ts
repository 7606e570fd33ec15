import type { Peer } from '@holdfast/protocol';
import type { CertificateRecord, MemberRecord } from '../records/kinds.ts';

/** Certificates of one member that count at a time: the one in use, its successor, and some whose answer was lost. */
const MOST_CERTIFICATES = 8;

/** The member with the certificate it just showed marked as one it has; one that was given out after the backup of a restored server is added. */
export const withShown = (member: MemberRecord, { serial, notAfter }: Pick<Peer, 'serial' | 'notAfter'>): MemberRecord => {
  const known = member.certificates.find((certificate) => certificate.serial === serial);
  if (known !== undefined && known.seen !== false) return member;
  const others = member.certificates.filter((certificate) => certificate.serial !== serial);
  const shown: CertificateRecord = { ...(known ?? { serial, notAfter }), seen: true };
  return { ...member, certificates: [...others, shown].toSorted((a, b) => a.notAfter - b.notAfter) };
};

/**
 * A new certificate among those of a member, and those that have to go for it: answers that were lost first. The one that was shown to get it never
 * goes, since it may well be the only one the member has.
 */
export const withIssued = (
  { certificates }: Pick<MemberRecord, 'certificates'>,
  issued: CertificateRecord,
  shown: string,
): { readonly kept: readonly CertificateRecord[]; readonly gone: readonly CertificateRecord[] } => {
  const kept = [...certificates, issued];
  const gone: CertificateRecord[] = [];
  while (kept.length > MOST_CERTIFICATES) {
    const mayGo = (one: CertificateRecord): boolean => one.serial !== shown && one !== issued;
    const lost = kept.findIndex((one) => mayGo(one) && one.seen === false);
    gone.push(...kept.splice(lost < 0 ? kept.findIndex(mayGo) : lost, 1));
  }
  return { kept, gone };
};
