/** What one side of mutual TLS shows and trusts, all PEM. */
export interface TlsCredentials {
  /** The private key, PKCS#8. */
  readonly key: string;
  /** The own certificate, followed by intermediate ones. */
  readonly certificateChain: string;
  /** Every CA certificate that may have signed the other side's. */
  readonly authorities: string;
}

/** Credentials that are replaced while the program runs: certificates are short-lived and rotate. New connections use the newest. */
export interface CredentialSource {
  current(): TlsCredentials;
}
