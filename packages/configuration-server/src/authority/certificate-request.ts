import 'reflect-metadata';
import { HoldfastError } from '@holdfast/errors';
import { Pkcs10CertificateRequest, type PublicKey } from '@peculiar/x509';

/** Bytes of the largest request that is looked at; ours have about 200. */
const LARGEST = 8 * 1024;

const refused = (why: string, cause?: unknown): HoldfastError =>
  new HoldfastError('REQUEST_INVALID', {
    thing: 'certificate request',
    why,
    remedy: 'send a PKCS#10 request, DER, with an ECDSA key of curve P-256 that signs it',
    ...(cause === undefined ? {} : { cause }),
  });

/**
 * The public key of a PKCS#10 request that proves to have the private one. Whatever else the request wishes for, names above all, is
 * ignored. Throws REQUEST_INVALID.
 */
export const readRequest = async (der: Uint8Array): Promise<PublicKey> => {
  if (der.length === 0 || der.length > LARGEST) throw refused(`it has ${der.length} bytes, not 1 to ${LARGEST}`);
  let request: Pkcs10CertificateRequest;
  let signed: boolean;
  try {
    request = new Pkcs10CertificateRequest(Uint8Array.from(der));
    const { name, namedCurve } = request.publicKey.algorithm as { readonly name?: string; readonly namedCurve?: string };
    if (name !== 'ECDSA' || namedCurve !== 'P-256') throw refused(`its key is ${name ?? 'unknown'} ${namedCurve ?? ''}`.trim());
    signed = await request.verify();
  } catch (cause) {
    throw cause instanceof HoldfastError ? cause : refused('it cannot be read', cause);
  }
  if (!signed) throw refused('its signature is wrong');
  return request.publicKey;
};
