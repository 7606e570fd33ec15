import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import { type Identity, identitySubject, identityUri, publicKeyFingerprint, type TlsCredentials } from '@holdfast/protocol';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type PublicKey,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { ALGORITHM, BACKDATED, keysOf, newKey, newSerial } from './authority-key.ts';
import { notInPhase, openRing, type Phase, phaseOf, type Ring, replaceRing, turnRing } from './authority-ring.ts';
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

/** One of the certificates that members trust. */
export interface AuthorityCertificate {
  readonly fingerprint: string;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Certificates are signed by this one. */
  readonly signs: boolean;
}

/** The certificate authority of an installation. */
export interface Authority {
  /** Every certificate to trust, DER. */
  readonly trusted: readonly Uint8Array[];
  /** SHA-256 of its public key, as join commands name it. */
  readonly fingerprint: string;
  /** Milliseconds since 1970. */
  readonly notAfter: number;
  /** Where it is on its way to another one. */
  readonly phase: Phase;
  /** Fingerprint of the newest of them. */
  readonly newest: string;
  /** What the authority before this one says of it, by its own signature; undefined when there was none. */
  readonly successor: string | undefined;
  /** All that are trusted. */
  readonly certificates: readonly AuthorityCertificate[];
  /** The next step on the way to another authority: steady, announced, switched, steady. Rejects with VERSION_CONFLICT when it is not in this phase any more. */
  turn(from: Phase): Promise<Phase>;
  /**
   * Another authority at once, whatever was under way: nothing that the one before signed, or signs, counts any more. Rejects with VERSION_CONFLICT when it
   * is not in this phase any more.
   */
  replace(from: Phase): Promise<Phase>;
  /** Calls `listener` after each step, which is over when it is; `replaced`: members of the one before are strangers now. */
  onTurn(listener: (replaced: boolean) => Promise<void>): () => void;
  /** Signs the key of a certificate request for an identity, for `lifetime` milliseconds. Rejects with REQUEST_INVALID. */
  issue(identity: Identity, request: Uint8Array, lifetime: number): Promise<IssuedCertificate>;
  /** Signs a text that is no certificate; 64 bytes. */
  sign(text: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
  /** A new key and certificate for the configuration server itself, valid for these names and addresses. */
  issueOwn(id: string, names: readonly string[], lifetime: number): Promise<TlsCredentials & { readonly notAfter: number }>;
}

/** Opens the authority whose files are in `directory`; makes a new one when there is none, unless it must not: DAMAGED then. */
export const openAuthority = async (directory: string, { mayMake = true } = {}): Promise<Authority> => {
  let ring = await openRing(directory, mayMake);
  const listeners = new Set<(replaced: boolean) => Promise<void>>();
  /** Of two who take the same step at once only one does: a second step would shut out who was not told of the first. */
  let order: Promise<unknown> = Promise.resolve();
  const all = (): readonly X509Certificate[] => [
    ring.signer.root,
    ...(ring.next === undefined ? [] : [ring.next.root]),
    ...(ring.old === undefined ? [] : [ring.old]),
  ];
  const step = (from: Phase, replaced: boolean, make: () => Promise<Ring>): Promise<Phase> => {
    const made = order.then(async () => {
      if (phaseOf(ring) !== from) throw notInPhase(phaseOf(ring), from);
      ring = await make();
      await Promise.all([...listeners].map((listener) => listener(replaced)));
      return phaseOf(ring);
    });
    order = made.catch(() => undefined);
    return made;
  };
  const fingerprintOf = (root: X509Certificate): string => publicKeyFingerprint(root.toString('pem'));

  const sign = (identity: Identity, publicKey: PublicKey | webcrypto.CryptoKey, lifetime: number, names: readonly string[]) => {
    const { root, keys } = ring.signer;
    return X509CertificateGenerator.create({
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
  };

  return {
    get trusted() {
      return all().map((root) => new Uint8Array(root.rawData));
    },
    get fingerprint() {
      return fingerprintOf(ring.signer.root);
    },
    get notAfter() {
      return ring.signer.root.notAfter.getTime();
    },
    get phase() {
      return phaseOf(ring);
    },
    get newest() {
      return fingerprintOf((ring.next ?? ring.signer).root);
    },
    get successor() {
      return ring.successor;
    },
    get certificates() {
      return all().map((root) => ({
        fingerprint: fingerprintOf(root),
        notBefore: root.notBefore.getTime(),
        notAfter: root.notAfter.getTime(),
        signs: root === ring.signer.root,
      }));
    },
    turn: (from) => step(from, false, () => turnRing(directory, ring)),
    replace: (from) => step(from, true, () => replaceRing(directory)),
    onTurn(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async issue(identity, request, lifetime) {
      const certificate = await sign(identity, await readRequest(request), lifetime, []);
      return {
        chain: [new Uint8Array(certificate.rawData)],
        serial: certificate.serialNumber,
        notAfter: certificate.notAfter.getTime(),
      };
    },
    sign: async (text) => new Uint8Array(await webcrypto.subtle.sign(ALGORITHM, ring.signer.keys.privateKey, text)),
    async issueOwn(id, names, lifetime) {
      const key = newKey();
      const { publicKey } = await keysOf(key);
      const certificate = await sign({ role: 'configuration-server', id }, publicKey, lifetime, names);
      return {
        key,
        // The authority stands in the chain, so that whoever knows only its fingerprint can check it.
        certificateChain: `${certificate.toString('pem')}\n${ring.signer.root.toString('pem')}\n`,
        authorities: all()
          .map((root) => `${root.toString('pem')}\n`)
          .join(''),
        notAfter: certificate.notAfter.getTime(),
      };
    },
  };
};
