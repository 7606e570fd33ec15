import { webcrypto } from 'node:crypto';
import { toPem } from './pem.ts';

/** A new key and the request for its certificate. */
export interface CertificateRequest {
  /** PKCS#8, PEM. It never leaves this machine. */
  readonly key: string;
  /** PKCS#10, DER. */
  readonly request: Uint8Array<ArrayBuffer>;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/**
 * Makes an ECDSA P-256 key. Which subject its certificate gets is the authority's business, so the request names none. The X.509 library is
 * loaded here: a program needs it for a moment once in half a day.
 */
export const requestCertificate = async (): Promise<CertificateRequest> => {
  await import('reflect-metadata');
  const { Pkcs10CertificateRequestGenerator } = await import('@peculiar/x509');
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const request = await Pkcs10CertificateRequestGenerator.create({ name: [], keys, signingAlgorithm: ALGORITHM }, webcrypto);
  const key = new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  return { key: toPem(key, 'PRIVATE KEY'), request: new Uint8Array(request.rawData) };
};
