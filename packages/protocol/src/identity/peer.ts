import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { isNativeError } from 'node:util/types';
import { HoldfastError } from '@holdfast/errors';
import { type Identity, identityUri, parseIdentityUri, sameIdentity } from './identity.ts';

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

/** Bytes of the largest certificate that is looked at; ours have less than 1 KiB. */
const LARGEST_CERTIFICATE = 16 * 1024;

const noIdentity = (why: string, cause?: unknown): HoldfastError =>
  new HoldfastError('IDENTITY_MISMATCH', {
    thing: "the other side's certificate",
    why,
    remedy: 'use a certificate that this installation gave out',
    ...(cause === undefined ? {} : { cause }),
  });

/** The single value of an attribute in the text that Node makes of a subject: one `NAME=value` a line. */
const single = (subject: string, attribute: string): string | undefined => {
  const values = subject.split('\n').filter((line) => line.startsWith(`${attribute}=`));
  return values.length === 1 ? values[0]!.slice(attribute.length + 1) : undefined;
};

/**
 * The URIs in the text that Node makes of subject alternative names: `URI:…, DNS:…, IP Address:…`. Names with commas or quotes stand in
 * JSON quotes there, with commas escaped, so that none can pretend to be two.
 */
const urisOf = (names: string): string[] =>
  [...names.matchAll(/(?:^|, )([A-Za-z0-9 ]+):("(?:[^"\\]|\\.)*"|[^",]*)/g)]
    .filter(([, kind]) => kind === 'URI')
    .map(([, , value]) => value!);

const serialText = (serial: string): string => serial.toLowerCase().replace(/^0+(?=.)/, '');

/**
 * Reads who a certificate belongs to. Whether it is signed by our authority, and still valid, was for TLS to decide. Throws
 * IDENTITY_MISMATCH when it does not name exactly one identity: CN, OU and URI must agree.
 */
export const readPeer = (certificate: Uint8Array): Peer => {
  if (certificate.length > LARGEST_CERTIFICATE) throw noIdentity(`it has ${certificate.length} bytes, more than ${LARGEST_CERTIFICATE}`);
  let read: X509Certificate;
  try {
    read = new X509Certificate(certificate);
  } catch (cause) {
    throw noIdentity('it cannot be read', cause);
  }
  const uris = urisOf(read.subjectAltName ?? '');
  const identity = uris.length === 1 ? parseIdentityUri(uris[0]!) : undefined;
  if (identity === undefined) throw noIdentity('it names no identity: one URI holdfast:ROLE/ID is wanted');
  if (single(read.subject, 'CN') !== identity.id || single(read.subject, 'OU') !== identity.role)
    throw noIdentity(`its subject and its URI ${identityUri(identity)} name different identities`);
  return { identity, serial: serialText(read.serialNumber), notAfter: read.validToDate.getTime(), certificate };
};

const EXPIRED = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);

/** The named error for what TLS found wrong with a certificate; `reason` is Node's `authorizationError`, or the error of `connect`. */
export const certificateError = (reason: unknown, thing: string): HoldfastError => {
  const code = isNativeError(reason) ? String((reason as NodeJS.ErrnoException).code) : String(reason);
  const why = `its certificate was not accepted: ${isNativeError(reason) ? reason.message : code}`;
  return EXPIRED.has(code)
    ? new HoldfastError('CERTIFICATE_EXPIRED', {
        thing,
        why,
        remedy: 'compare the clocks of both machines; renew the certificate or enrol again',
        cause: reason,
      })
    : new HoldfastError('CERTIFICATE_UNTRUSTED', { thing, why, remedy: 'check that both belong to the same installation', cause: reason });
};

/** Lets certificates count for a while after they ended. */
export interface Grace {
  /** Milliseconds after the end. */
  readonly lasts: number;
  /** The authorities that may have signed them, DER. */
  readonly authorities: readonly Uint8Array[];
}

/** OpenSSL tells one flaw of a certificate only, the last it found: that one has ended does not say that the signature is good. */
const isSignedBy = (certificate: X509Certificate, authority: X509Certificate): boolean =>
  certificate.checkIssued(authority) && certificate.verify(authority.publicKey);

const hasGrace = (socket: TLSSocket, certificate: Buffer, { lasts, authorities }: Grace): boolean => {
  if (String(socket.authorizationError) !== 'CERT_HAS_EXPIRED' || certificate.length > LARGEST_CERTIFICATE) return false;
  const read = new X509Certificate(certificate);
  return (
    read.validFromDate.getTime() <= Date.now() &&
    Date.now() <= read.validToDate.getTime() + lasts &&
    authorities.some((authority) => isSignedBy(read, new X509Certificate(authority)))
  );
};

/**
 * Who is at the other end of a TLS connection that asked for a certificate and let everybody in; undefined when none was shown. Throws
 * CERTIFICATE_EXPIRED, unless `grace` lasts, CERTIFICATE_UNTRUSTED or IDENTITY_MISMATCH.
 */
export const peerOfSocket = (socket: TLSSocket, grace?: Grace): Peer | undefined => {
  const certificate = socket.getPeerCertificate().raw as Buffer | undefined;
  if (certificate === undefined) return undefined;
  if (!socket.authorized && !(grace !== undefined && hasGrace(socket, certificate, grace)))
    throw certificateError(socket.authorizationError, `client ${socket.remoteAddress ?? 'that is gone'}`);
  return readPeer(certificate);
};

/** Whom one side expects at the other: a role, and an id where it is known. */
export interface ExpectedPeer {
  readonly role: Identity['role'];
  readonly id?: string;
}

/** Throws IDENTITY_MISMATCH when `peer` is somebody else. */
export const requirePeer = (peer: Peer, expected: ExpectedPeer, thing: string): void => {
  const { role, id } = { id: peer.identity.id, ...expected };
  if (sameIdentity(peer.identity, { role, id })) return;
  throw new HoldfastError('IDENTITY_MISMATCH', {
    thing,
    why: `it is ${identityUri(peer.identity)}, not ${expected.id === undefined ? `a ${role}` : identityUri({ role, id })}`,
    remedy: 'check the address, and that it leads to the server that is meant',
  });
};
