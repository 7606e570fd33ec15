import { HoldfastError } from '@holdfast/errors';
import { fromConnect, publicKeyFingerprint, Role } from '@holdfast/protocol';
import type { Address } from '../settings/kinds.ts';
import { requestCertificate } from './certificate-request.ts';
import { outsideItsTime } from './certificate-times.ts';
import { storeIdentity } from './identity-file.ts';
import type { HardwareIdentity, MemberRole } from './member.ts';
import { readCertificates, toPem } from './pem.ts';
import { forgetRecovery } from './recovered.ts';
import { openServerLink, serverThing } from './server-link.ts';
import { requireFitting, type StoredIdentity } from './stored-identity.ts';
import { requireFingerprint } from './verify-server.ts';

export interface JoinOptions {
  /** The configuration server. */
  readonly server: Address;
  /** One-time token. */
  readonly token: string;
  /** SHA-256 of the authority's public key, 64 hexadecimal digits: see `publicKeyFingerprint`. */
  readonly fingerprint: string;
  readonly role: MemberRole;
  readonly hardware: HardwareIdentity;
  readonly hostname: string;
  readonly version: string;
  /** Where a process server is reached by agents, "host:port". */
  readonly endpoints?: readonly string[];
  /** The state directory. */
  readonly directory: string;
  readonly signal?: AbortSignal;
  /** Writes to the state directory with the rights that shall be used for it. */
  readonly writing?: (write: () => Promise<void>) => Promise<void>;
}

export interface Joined {
  readonly id: string;
  readonly incarnation: number;
  /** When the certificate ends, milliseconds since 1970. It is renewed long before. */
  readonly notAfter: number;
  /** Set when the certificate is good but does not hold now: the clocks of both machines differ. */
  readonly problem: HoldfastError | undefined;
}

const ROLES: Readonly<Record<MemberRole, Role>> = {
  agent: Role.AGENT,
  'process-server': Role.PROCESS_SERVER,
  'master-target': Role.MASTER_TARGET,
};

/** Milliseconds the server may take to answer. */
const PATIENCE = 30_000;

/** A fingerprint as people may write it, in capital letters or with colons. Throws SETTING_INVALID. */
export const parseFingerprint = (text: string): string => {
  const digits = text.trim().toLowerCase().replaceAll(':', '');
  if (/^[0-9a-f]{64}$/.test(digits)) return digits;
  throw new HoldfastError('SETTING_INVALID', {
    thing: 'fingerprint',
    why: 'it is not 64 hexadecimal digits',
    remedy: 'copy it from what holdfast token create printed',
  });
};

/**
 * Makes this machine a member: a key is made here and never leaves, the server's authority is checked against the fingerprint, and only then,
 * on the same connection, the token is sent. What was an identity before is replaced in one step. Rejects with CERTIFICATE_UNTRUSTED for
 * another authority, CONNECTION_LOST, TIMED_OUT, or what the server says of the token.
 */
export const joinSite = async ({
  server,
  role,
  hardware,
  directory,
  signal,
  writing = (write) => write(),
  ...options
}: JoinOptions): Promise<Joined> => {
  const fingerprint = parseFingerprint(options.fingerprint);
  const thing = serverThing(server);
  const { key, request } = await requestCertificate();
  const link = await openServerLink({
    server,
    signal,
    secure: {},
    check: (socket) => requireFingerprint(socket, fingerprint, thing),
  });
  try {
    const answer = await link.enrolment
      .enrol(
        {
          token: options.token,
          role: ROLES[role],
          certificateRequest: request,
          hardware: { ...hardware, macAddresses: [...hardware.macAddresses] },
          hostname: options.hostname,
          version: options.version,
          endpoints: [...(options.endpoints ?? [])],
        },
        { timeoutMs: PATIENCE, ...(signal === undefined ? {} : { signal }) },
      )
      .catch((reason: unknown) => {
        throw fromConnect(reason, thing);
      });
    const identity: StoredIdentity = {
      role,
      id: answer.id,
      incarnation: Number(answer.incarnation),
      server,
      hardware,
      obtained: Date.now(),
      key,
      certificateChain: answer.certificateChain.map((der) => toPem(der, 'CERTIFICATE')).join(''),
      authorities: answer.trustedAuthorities.map((der) => toPem(der, 'CERTIFICATE')).join(''),
    };
    return await keep(identity, fingerprint, thing, () =>
      writing(async () => {
        await storeIdentity(directory, identity);
        await forgetRecovery(directory);
      }),
    );
  } finally {
    link.close();
  }
};

/** Looks whether the answer is what was asked for, and stores it. */
const keep = async (identity: StoredIdentity, fingerprint: string, thing: string, write: () => Promise<void>): Promise<Joined> => {
  const leaf = requireFitting(identity, thing);
  if (!readCertificates(identity.authorities).some(({ raw }) => publicKeyFingerprint(raw) === fingerprint))
    throw new HoldfastError('PROTOCOL_VIOLATION', {
      thing,
      why: 'the authority with the fingerprint is not among those it wants to be trusted',
      remedy: 'use versions of both programs that fit together',
    });
  await write();
  const { id, incarnation } = identity;
  const problem = outsideItsTime(leaf, Date.now(), 'this machine');
  return { id, incarnation, notAfter: leaf.validToDate.getTime(), problem };
};
