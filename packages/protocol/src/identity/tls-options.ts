import { constants, createHash, X509Certificate } from 'node:crypto';
import type { ConnectionOptions, PeerCertificate, TlsOptions } from 'node:tls';
import type { TlsCredentials } from './credentials.ts';
import { type ExpectedPeer, readPeer, requirePeer } from './peer.ts';

/** Both sides are ours, so nothing older is needed. */
const COMMON = { minVersion: 'TLSv1.3' } as const;

/**
 * What a server's listener needs. It asks for a certificate and lets everybody in, so that who is refused can be told why by the protocol
 * above: use `peerOfSocket`. Sessions are never resumed: each connection shows its certificate again.
 */
export const serverTlsOptions = ({ key, certificateChain, authorities }: TlsCredentials): TlsOptions => ({
  ...COMMON,
  key,
  cert: certificateChain,
  ca: authorities,
  requestCert: true,
  rejectUnauthorized: false,
  // Without tickets, and without listeners for sessions, there is nothing to resume from.
  secureOptions: constants.SSL_OP_NO_TICKET,
});

/**
 * What a client's connection needs. The server must show a certificate of our authority for the role, and id, that is expected; its host
 * name does not matter. Errors of `connect` are HoldfastErrors for another identity, else as TLS names them: see `certificateError`.
 */
export const clientTlsOptions = ({ key, certificateChain, authorities }: TlsCredentials, expected: ExpectedPeer): ConnectionOptions => ({
  ...COMMON,
  key,
  cert: certificateChain,
  ca: authorities,
  rejectUnauthorized: true,
  checkServerIdentity: (host: string, certificate: PeerCertificate): Error | undefined => {
    try {
      requirePeer(readPeer(certificate.raw), expected, `server ${host}`);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  },
});

/** SHA-256 of a certificate's public key (SubjectPublicKeyInfo), lower-case hexadecimal: how an authority is named in a join command. */
export const publicKeyFingerprint = (certificate: Uint8Array | string): string =>
  createHash('sha256')
    .update(new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
