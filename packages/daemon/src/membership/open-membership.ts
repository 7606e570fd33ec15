import type { Membership, MembershipOptions } from './membership.ts';

/**
 * Opens what `joinSite` wrote. Rejects with NOT_ENROLLED, AGENT_CLONED when the directory belongs to another machine, IDENTITY_MISMATCH when it
 * is another role's, DAMAGED naming the file, CERTIFICATE_EXPIRED when the certificate ended (only enrolling again helps).
 */
export const openMembership = async (_options: MembershipOptions): Promise<Membership> => {
  throw new Error('not here yet');
};
