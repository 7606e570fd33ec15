import type { Identity } from './identity.ts';

/** The other side of a connection, as its verified certificate tells. */
export interface Peer {
  readonly identity: Identity;
  /** Serial number of the certificate: lower-case hexadecimal without leading zeroes. */
  readonly serial: string;
  /** Milliseconds since 1970. */
  readonly notAfter: number;
  /** The certificate, DER. */
  readonly certificate: Uint8Array;
}
