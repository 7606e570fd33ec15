import { createHash, verify, X509Certificate } from 'node:crypto';
import { HoldfastError } from '@holdfast/errors';

/*
 * That a certificate authority has given its work to another one, by its own signature: for people, who trust one authority and are told of no change.
 * JSON: {"form": 1, "certificate": PEM, "signature": BASE64}. The signature, ECDSA with SHA-256 as two numbers of 32 bytes, is the former authority's,
 * over `successorText`.
 */

const FORM = 1;
/** Where a configuration server tells of it, to whoever asks. */
export const SUCCESSOR_PATH = '/authority/successor';
/** Characters. */
export const LARGEST_SUCCESSOR = 16 * 1024;

/** What is signed of the new authority's certificate (DER). It begins like no certificate, which the same key signs too. */
export const successorText = (certificate: Uint8Array): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(Buffer.from(`holdfast successor ${FORM}\n${createHash('sha256').update(certificate).digest('hex')}\n`));

/** `certificate`: PEM. */
export const encodeSuccessor = (certificate: string, signature: Uint8Array): string =>
  `${JSON.stringify({ form: FORM, certificate, signature: Buffer.from(signature).toString('base64') })}\n`;

const untrusted = (why: string): HoldfastError =>
  new HoldfastError('CERTIFICATE_UNTRUSTED', {
    thing: 'successor of the certificate authority',
    why,
    remedy: 'compare the fingerprint with the one that the configuration server tells, and log in again',
  });

/** The certificate (PEM) of the authority that the one with this certificate (PEM) gave its work to. Throws CERTIFICATE_UNTRUSTED for anything else. */
export const readSuccessor = (text: string, predecessor: string): string => {
  let certificate: X509Certificate;
  let signature: Buffer;
  try {
    const value = Object(JSON.parse(text.slice(0, LARGEST_SUCCESSOR))) as Record<string, unknown>;
    if (value.form !== FORM || typeof value.certificate !== 'string' || typeof value.signature !== 'string')
      throw new Error('other fields');
    certificate = new X509Certificate(value.certificate);
    signature = Buffer.from(value.signature, 'base64');
  } catch {
    throw untrusted('what was told of it cannot be read');
  }
  const { publicKey: key } = new X509Certificate(predecessor);
  if (!verify('sha256', successorText(certificate.raw), { key, dsaEncoding: 'ieee-p1363' }, signature))
    throw untrusted('it was not signed by the authority that is trusted');
  if (!certificate.ca) throw untrusted('its certificate is none of an authority');
  return certificate.toString();
};
