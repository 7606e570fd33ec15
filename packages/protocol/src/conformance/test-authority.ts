import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  type PublicKeyType,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { TlsCredentials } from '../identity/credentials.ts';
import { type Identity, identitySubject, identityUri } from '../identity/identity.ts';

/** A certificate with its key, and what it trusts. */
export interface Certified extends TlsCredentials {
  readonly der: Uint8Array;
  /** Lower-case hexadecimal without leading zeroes. */
  readonly serial: string;
}

/** What may be wrong with a certificate on purpose. */
export interface Flaws {
  readonly subject?: string;
  readonly names?: readonly JsonGeneralName[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly usages?: readonly string[];
}

/** A certificate authority for tests: it signs anything. */
export interface TestAuthority {
  /** PEM. */
  readonly certificate: string;
  /** SHA-256 of its public key, as another library than ours computes it. */
  readonly fingerprint: string;
  /** Signs a new key for an identity; for both sides of TLS unless `flaws` say otherwise. */
  issue(identity: Identity, flaws?: Flaws): Promise<Certified>;
  /** Signs the key of a certificate request (PKCS#10, DER) for an identity, whatever subject it asks for; the certificate, DER. */
  certify(request: Uint8Array, identity: Identity, flaws?: Flaws): Promise<Uint8Array<ArrayBuffer>>;
  /** Its signature over any text. */
  sign(text: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

/** Object identifiers of what a certificate may be used for. */
export const USAGES = { client: ExtendedKeyUsage.clientAuth, server: ExtendedKeyUsage.serverAuth } as const;

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const HOUR = 3_600_000;

const newKeys = (): Promise<webcrypto.CryptoKeyPair> => webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);

const newSerial = (): string => `4${randomBytes(15).toString('hex').slice(1)}`;

const keyPem = async ({ privateKey }: webcrypto.CryptoKeyPair): Promise<string> => {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', privateKey));
  return `-----BEGIN PRIVATE KEY-----\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`;
};

/** Makes a new authority with a key of its own. */
export const createTestAuthority = async (): Promise<TestAuthority> => {
  const keys = await newKeys();
  const root: X509Certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=Authority of a test',
    serialNumber: newSerial(),
    notBefore: new Date(Date.now() - HOUR),
    notAfter: new Date(Date.now() + 24 * HOUR),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  const authorities = root.toString('pem');
  const sign = (publicKey: PublicKeyType, serial: string, identity: Identity, flaws: Flaws): Promise<X509Certificate> =>
    X509CertificateGenerator.create({
      subject: flaws.subject ?? identitySubject(identity),
      issuer: root.subject,
      serialNumber: serial,
      notBefore: flaws.notBefore ?? new Date(Date.now() - HOUR),
      notAfter: flaws.notAfter ?? new Date(Date.now() + HOUR),
      publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new ExtendedKeyUsageExtension([...(flaws.usages ?? Object.values(USAGES))]),
        new SubjectAlternativeNameExtension([...(flaws.names ?? [{ type: 'url', value: identityUri(identity) } as const])]),
      ],
    });
  return {
    certificate: authorities,
    fingerprint: Buffer.from(await root.publicKey.getThumbprint('SHA-256')).toString('hex'),
    async issue(identity, flaws = {}) {
      const own = await newKeys();
      const serial = newSerial();
      const certificate = await sign(own.publicKey, serial, identity, flaws);
      const der = new Uint8Array(certificate.rawData);
      return { der, serial: serial.replace(/^0+/, ''), key: await keyPem(own), certificateChain: certificate.toString('pem'), authorities };
    },
    sign: async (text) => new Uint8Array(await webcrypto.subtle.sign(ALGORITHM, keys.privateKey, text)),
    async certify(request, identity, flaws = {}) {
      const asked = new Pkcs10CertificateRequest(Uint8Array.from(request));
      if (!(await asked.verify())) throw new Error('the certificate request is not signed by its key');
      return new Uint8Array((await sign(asked.publicKey, newSerial(), identity, flaws)).rawData);
    },
  };
};
