import { createPrivateKey, type X509Certificate } from 'node:crypto';
import { HoldfastError } from '@holdfast/errors';
import { readPeer, sameIdentity, type TlsCredentials } from '@holdfast/protocol';
import type { Address } from '../settings/kinds.ts';
import type { HardwareIdentity, MemberRole } from './member.ts';
import { readCertificates } from './pem.ts';

/** Everything a member has. */
export interface StoredIdentity extends TlsCredentials {
  readonly role: MemberRole;
  readonly id: string;
  readonly incarnation: number;
  readonly server: Address;
  /** Of the machine that enrolled. */
  readonly hardware: HardwareIdentity;
  /** When the certificate came, by the clock of this machine, in milliseconds since 1970. */
  readonly obtained: number;
}

/** Looks whether key, certificate, authorities and names belong together. Throws an Error that says what does not; gives the certificate. */
export const checkTogether = ({ role, id, key, certificateChain, authorities }: StoredIdentity): X509Certificate => {
  const [leaf] = readCertificates(certificateChain);
  if (leaf === undefined) throw new Error('it holds no certificate');
  if (!sameIdentity(readPeer(leaf.raw).identity, { role, id })) throw new Error('its certificate is another identity than it says');
  if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error('its key does not belong to its certificate');
  if (!readCertificates(authorities).some((authority) => leaf.checkIssued(authority) && leaf.verify(authority.publicKey)))
    throw new Error('none of its authorities signed its certificate');
  return leaf;
};

/** The same for what the configuration server answered. Throws PROTOCOL_VIOLATION. */
export const requireFitting = (identity: StoredIdentity, thing: string): X509Certificate => {
  try {
    return checkTogether(identity);
  } catch (reason) {
    throw new HoldfastError('PROTOCOL_VIOLATION', {
      thing,
      why: `the certificate it gave does not fit: ${(reason as Error).message}`,
      remedy: 'use versions of both programs that fit together',
      cause: reason,
    });
  }
};
