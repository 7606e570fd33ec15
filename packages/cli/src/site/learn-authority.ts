import { X509Certificate } from 'node:crypto';
import { addAbortSignal } from 'node:stream';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { HoldfastError } from '@holdfast/errors';
import { connectionError, publicKeyFingerprint } from '@holdfast/protocol';

/** Certificates of a chain that are looked at. */
const DEEPEST = 8;
/** Milliseconds. */
const PATIENCE = 20_000;

/**
 * Asks a server for its certificates and gives the authority (PEM) whose public key has this fingerprint. Nothing is sent to the server but
 * the greeting of TLS. Errors: CERTIFICATE_UNTRUSTED, CONNECTION_LOST, TIMED_OUT.
 */
export const learnAuthority = async (url: URL, fingerprint: string, stop: AbortSignal): Promise<string> => {
  const thing = `configuration server ${url.origin}`;
  const socket = await greet(url, thing, stop);
  const chain = presented(socket);
  socket.destroy();
  const authority = chain.find((certificate) => publicKeyFingerprint(certificate) === fingerprint);
  if (authority !== undefined) return new X509Certificate(authority).toString();
  const told = chain.at(-1);
  throw new HoldfastError('CERTIFICATE_UNTRUSTED', {
    thing,
    why: `none of its certificates has the fingerprint ${fingerprint}${told === undefined ? '' : `; its authority has ${publicKeyFingerprint(told)}`}`,
    remedy: 'compare it with the one the configuration server tells; if they differ, somebody may stand between',
  });
};

const greet = ({ hostname, port }: URL, thing: string, stop: AbortSignal): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    // An address in brackets is how URLs write IPv6.
    const host = hostname.replace(/^\[|\]$/g, '');
    const socket: TLSSocket = connect(
      { host, port: Number(port || 443), rejectUnauthorized: false, minVersion: 'TLSv1.3', ALPNProtocols: ['h2'] },
      () => resolve(socket),
    );
    socket.setTimeout(PATIENCE, () =>
      socket.destroy(
        new HoldfastError('TIMED_OUT', {
          thing,
          why: `it said nothing for ${PATIENCE / 1000} s`,
          remedy: 'check its address, and firewalls between',
        }),
      ),
    );
    socket.once('error', (reason) => reject(stop.aborted ? stop.reason : connectionError(reason, thing)));
    addAbortSignal(stop, socket);
  });

const presented = (socket: TLSSocket): Uint8Array[] => {
  const chain: Uint8Array[] = [];
  let at: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  // A certificate that signed itself names itself as its issuer.
  for (
    let before = at;
    at?.raw !== undefined && chain.length < DEEPEST;
    before = at, at = at.issuerCertificate === before ? undefined : at.issuerCertificate
  )
    chain.push(at.raw);
  return chain;
};
