import { X509Certificate } from 'node:crypto';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { HoldfastError } from '@holdfast/errors';
import { certificateError, publicKeyFingerprint, readPeer, requirePeer } from '@holdfast/protocol';
import { outsideItsTime } from './certificate-times.ts';

/** Certificates of a chain that are looked at. */
const LONGEST_CHAIN = 5;
/** Object identifier of "may be a TLS server". */
const SERVER_AUTHENTICATION = '1.3.6.1.5.5.7.3.1';

/** What the server sent, its own certificate first, each followed by its issuer. */
const chainOf = (socket: TLSSocket): X509Certificate[] => {
  const chain: X509Certificate[] = [];
  const linked = socket.getPeerCertificate(true);
  for (
    let link: Partial<typeof linked> | undefined = linked;
    link?.raw !== undefined && chain.length < LONGEST_CHAIN && link.fingerprint256 !== chain.at(-1)?.fingerprint256;
    link = link.issuerCertificate as PeerCertificate & { issuerCertificate: typeof linked }
  )
    chain.push(new X509Certificate(link.raw));
  return chain;
};

const untrusted = (thing: string, why: string): HoldfastError =>
  new HoldfastError('CERTIFICATE_UNTRUSTED', {
    thing,
    why: `${why}; the token was not sent`,
    remedy: 'compare address and fingerprint with what holdfast token create printed; if both are right, somebody listens in between',
  });

const requireServer = (leaf: X509Certificate, thing: string): void => {
  const problem = outsideItsTime(leaf, Date.now(), thing);
  if (problem !== undefined) throw problem;
  requirePeer(readPeer(leaf.raw), { role: 'configuration-server' }, thing);
};

/**
 * Looks whether the other end of a TLS connection is the configuration server of the authority with this fingerprint; nothing was known of
 * the authority before. Throws CERTIFICATE_UNTRUSTED, CERTIFICATE_EXPIRED or IDENTITY_MISMATCH.
 */
export const requireFingerprint = (socket: TLSSocket, fingerprint: string, thing: string): void => {
  const chain = chainOf(socket);
  const [leaf] = chain;
  const anchor = chain.findIndex((certificate) => publicKeyFingerprint(certificate.raw) === fingerprint);
  if (leaf === undefined || anchor < 0) {
    const shown = chain.slice(1).map(({ raw }) => publicKeyFingerprint(raw));
    throw untrusted(thing, `its authority is not the one with this fingerprint, but ${shown.join(', ') || 'none is shown'}`);
  }
  for (const [index, certificate] of chain.slice(0, anchor).entries()) {
    const issuer = chain[index + 1]!;
    if (!issuer.ca || !certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey))
      throw untrusted(thing, 'its certificate is not signed by the authority that it shows');
    const problem = outsideItsTime(issuer, Date.now(), thing);
    if (problem !== undefined) throw problem;
  }
  if (anchor === 0 || leaf.keyUsage?.includes(SERVER_AUTHENTICATION) !== true)
    throw untrusted(thing, 'its certificate is not one for a server');
  requireServer(leaf, thing);
};

/** Looks whether the other end, whose certificate TLS has compared with our authorities, is the configuration server. */
export const requireAuthorized = (socket: TLSSocket, thing: string): void => {
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined || !socket.authorized) {
    const problem = leaf === undefined ? undefined : outsideItsTime(leaf, Date.now(), thing);
    throw problem ?? certificateError(socket.authorizationError, thing);
  }
  requireServer(leaf, thing);
};
