import 'reflect-metadata';
import { createPrivateKey, generateKeyPairSync, randomBytes, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

export const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const HOUR = 3_600_000;
const TEN_YEARS = 3652 * 24 * HOUR;
/** Clocks of machines that join may be late by this much. */
export const BACKDATED = HOUR;

/** Positive and 16 bytes long in every encoding, so that its text has no leading zeroes. */
export const newSerial = (): string => {
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  return serial.toString('hex');
};

/** A new key of curve P-256, PEM. */
export const newKey = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

export const keysOf = async (pem: string): Promise<webcrypto.CryptoKeyPair> => {
  const key = createPrivateKey(pem);
  const { d: _, ...open } = key.export({ format: 'jwk' });
  const secret = key.export({ type: 'pkcs8', format: 'der' });
  return {
    privateKey: await webcrypto.subtle.importKey('pkcs8', secret, ALGORITHM, false, ['sign']),
    publicKey: await webcrypto.subtle.importKey('jwk', open as webcrypto.JsonWebKey, ALGORITHM, true, ['verify']),
  };
};

/** The certificate of an authority of this key, signed by itself. */
export const createRoot = (keys: webcrypto.CryptoKeyPair): Promise<X509Certificate> =>
  X509CertificateGenerator.createSelfSigned({
    name: `CN=Holdfast authority ${randomBytes(4).toString('hex')}`,
    serialNumber: newSerial(),
    notBefore: new Date(Date.now() - BACKDATED),
    notAfter: new Date(Date.now() + TEN_YEARS),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });

/** True when the certificate is of this key. */
export const isOfKey = (root: X509Certificate, { publicKey }: webcrypto.CryptoKeyPair): Promise<boolean> =>
  root.verify({ publicKey, signatureOnly: true });
