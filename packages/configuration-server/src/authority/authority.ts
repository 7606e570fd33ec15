import 'reflect-metadata';
import { createPrivateKey, generateKeyPairSync, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { type Identity, identitySubject, identityUri, publicKeyFingerprint, type TlsCredentials } from '@holdfast/protocol';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type PublicKey,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { readIfPresent, writePrivately } from './authority-files.ts';
import { readRequest } from './certificate-request.ts';

/** A certificate that was given out. */
export interface IssuedCertificate {
  /** DER, the leaf first. */
  readonly chain: readonly Uint8Array[];
  /** Lower-case hexadecimal without leading zeroes. */
  readonly serial: string;
  /** Milliseconds since 1970. */
  readonly notAfter: number;
}

/** The certificate authority of an installation. */
export interface Authority {
  /** Every certificate to trust, DER. */
  readonly trusted: readonly Uint8Array[];
  /** SHA-256 of its public key, as join commands name it. */
  readonly fingerprint: string;
  /** Milliseconds since 1970. */
  readonly notAfter: number;
  /** Signs the key of a certificate request for an identity, for `lifetime` milliseconds. Rejects with REQUEST_INVALID. */
  issue(identity: Identity, request: Uint8Array, lifetime: number): Promise<IssuedCertificate>;
  /** A new key and certificate for the configuration server itself, valid for these names and addresses. */
  issueOwn(id: string, names: readonly string[], lifetime: number): Promise<TlsCredentials & { readonly notAfter: number }>;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const HOUR = 3_600_000;
const TEN_YEARS = 3652 * 24 * HOUR;
/** Clocks of machines that join may be late by this much. */
const BACKDATED = HOUR;

/** Positive and 16 bytes long in every encoding, so that its text has no leading zeroes. */
const newSerial = (): string => {
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  return serial.toString('hex');
};

const newKey = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

const keysOf = async (pem: string): Promise<webcrypto.CryptoKeyPair> => {
  const key = createPrivateKey(pem);
  const { d: _, ...open } = key.export({ format: 'jwk' });
  const secret = key.export({ type: 'pkcs8', format: 'der' });
  return {
    privateKey: await webcrypto.subtle.importKey('pkcs8', secret, ALGORITHM, false, ['sign']),
    publicKey: await webcrypto.subtle.importKey('jwk', open as webcrypto.JsonWebKey, ALGORITHM, true, ['verify']),
  };
};

const createRoot = (keys: webcrypto.CryptoKeyPair): Promise<X509Certificate> =>
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

const lost = (file: string): HoldfastError =>
  new HoldfastError('DAMAGED', {
    thing: file,
    why: 'it is missing, and the state beside it belongs to members that believe no other authority',
    remedy:
      'put back the directory authority of this state; or move the state away and restore a backup of it, or rebuild it from its vaults: holdfast-configuration-server restore, rebuild',
  });

/** Key and certificate; the key is on the disk before the certificate, so that a crash between them leaves a key to go on with. */
const openFiles = async (
  directory: string,
  mayMake: boolean,
): Promise<{ readonly keys: webcrypto.CryptoKeyPair; readonly root: X509Certificate }> => {
  const keyFile = path.join(directory, 'authority.key');
  const certificateFile = path.join(directory, 'authority.pem');
  const keptKey = await readIfPresent(keyFile);
  if (keptKey === undefined && (!mayMake || (await readIfPresent(certificateFile)) !== undefined)) throw lost(keyFile);
  const key = keptKey ?? newKey();
  if (keptKey === undefined) await writePrivately(keyFile, key);
  try {
    const keys = await keysOf(key);
    const kept = await readIfPresent(certificateFile);
    if (kept !== undefined) {
      const root = new X509Certificate(kept);
      if (!(await root.verify({ publicKey: keys.publicKey, signatureOnly: true }))) throw new Error('its certificate is not of its key');
      return { keys, root };
    }
    const root = await createRoot(keys);
    await writePrivately(certificateFile, `${root.toString('pem')}\n`);
    return { keys, root };
  } catch (reason) {
    throw fromSystem(reason, `certificate authority in ${directory}`, 'DAMAGED');
  }
};

/** Opens the authority whose files are in `directory`; makes a new one when there is none, unless it must not: DAMAGED then. */
export const openAuthority = async (directory: string, { mayMake = true } = {}): Promise<Authority> => {
  const { keys, root } = await openFiles(directory, mayMake);
  const pem = root.toString('pem');

  const sign = (identity: Identity, publicKey: PublicKey | webcrypto.CryptoKey, lifetime: number, names: readonly string[]) =>
    X509CertificateGenerator.create({
      subject: identitySubject(identity),
      issuer: root.subject,
      serialNumber: newSerial(),
      notBefore: new Date(Date.now() - BACKDATED),
      notAfter: new Date(Math.min(Date.now() + lifetime, root.notAfter.getTime())),
      publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth, ...(identity.role === 'agent' ? [] : [ExtendedKeyUsage.serverAuth])]),
        new SubjectAlternativeNameExtension([
          { type: 'url', value: identityUri(identity) },
          ...names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
        ]),
      ],
    });

  return {
    trusted: [new Uint8Array(root.rawData)],
    fingerprint: publicKeyFingerprint(pem),
    notAfter: root.notAfter.getTime(),
    async issue(identity, request, lifetime) {
      const certificate = await sign(identity, await readRequest(request), lifetime, []);
      return {
        chain: [new Uint8Array(certificate.rawData)],
        serial: certificate.serialNumber,
        notAfter: certificate.notAfter.getTime(),
      };
    },
    async issueOwn(id, names, lifetime) {
      const key = newKey();
      const { publicKey } = await keysOf(key);
      const certificate = await sign({ role: 'configuration-server', id }, publicKey, lifetime, names);
      return {
        key,
        // The authority stands in the chain, so that whoever knows only its fingerprint can check it.
        certificateChain: `${certificate.toString('pem')}\n${pem}\n`,
        authorities: `${pem}\n`,
        notAfter: certificate.notAfter.getTime(),
      };
    },
  };
};
