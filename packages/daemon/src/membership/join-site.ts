import type { Address } from '../settings/kinds.ts';
import type { HardwareIdentity, MemberRole } from './member.ts';

export interface JoinOptions {
  /** The configuration server. */
  readonly server: Address;
  /** One-time token. */
  readonly token: string;
  /** SHA-256 of the authority's public key, 64 hexadecimal digits: see `publicKeyFingerprint`. */
  readonly fingerprint: string;
  readonly role: MemberRole;
  readonly hardware: HardwareIdentity;
  readonly hostname: string;
  readonly version: string;
  /** Where a process server is reached by agents, "host:port". */
  readonly endpoints?: readonly string[];
  /** The state directory; the caller has it locked. */
  readonly directory: string;
  readonly signal?: AbortSignal;
}

export interface Joined {
  readonly id: string;
  readonly incarnation: number;
  /** When the certificate ends, milliseconds since 1970. It is renewed long before. */
  readonly notAfter: number;
}

/**
 * Makes this machine a member: a key is made here and never leaves, the server's authority is checked against the fingerprint, and only then,
 * on the same connection, the token is sent. What was an identity before is replaced in one step. Rejects with CERTIFICATE_UNTRUSTED for another
 * authority, CONNECTION_LOST, TIMED_OUT, or what the server says of the token.
 */
export const joinSite = async (_options: JoinOptions): Promise<Joined> => {
  throw new Error('not here yet');
};
