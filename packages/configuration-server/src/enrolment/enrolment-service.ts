import type { ServiceImpl } from '@connectrpc/connect';
import type { HardwareIdentity, MemberRole } from '@holdfast/daemon';
import { isHoldfastError } from '@holdfast/errors';
import { type EnrolmentService, type EnrolRequest, newId, roleOfMessage } from '@holdfast/protocol';
import type { Authority } from '../authority/authority.ts';
import { addressOf, memberOf } from '../listener/caller.ts';
import { listAll, type Stored } from '../records/kind.ts';
import { type MemberRecord, machines, members, servers, tokens } from '../records/kinds.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import { checkLine, requestInvalid } from '../request-invalid.ts';
import type { StateStore } from '../state/state-store.ts';
import type { Attempts } from './attempts.ts';
import { withIssued, withShown } from './certificates-of.ts';
import { readHardware, surelySame } from './hardware.ts';
import { plainName, takeName } from './member-name.ts';
import { requireMember } from './require-member.ts';
import { requireRenewable } from './require-renewable.ts';
import { requireVersion } from './require-version.ts';
import { revokeCertificates, revokeSerials } from './revoke.ts';
import { requireToken, tellMisuse } from './tokens.ts';

export interface EnrolmentOptions {
  readonly store: StateStore;
  readonly authority: Authority;
  readonly attempts: Attempts;
  /** Milliseconds. */
  readonly certificateLifetime: number;
  /** Milliseconds after its end in which a certificate can be renewed. */
  readonly grace: number;
  /** Of this server. */
  readonly version: string;
}

const MOST_ENDPOINTS = 8;

interface Candidate {
  readonly role: MemberRole;
  readonly hardware: HardwareIdentity;
  readonly endpoints: readonly string[];
}

const readEndpoints = (endpoints: readonly string[]): readonly string[] => {
  if (endpoints.length > MOST_ENDPOINTS)
    throw requestInvalid('endpoints', `there are ${endpoints.length}`, `send at most ${MOST_ENDPOINTS}`);
  return endpoints.map((endpoint) => checkLine(endpoint, 'endpoint', 300));
};

/** A machine is one by its hardware; of servers, several may run on one machine, each at addresses of its own. */
const isMember = ({ value }: Stored<MemberRecord>, { role, hardware, endpoints }: Candidate): boolean =>
  value.role === role &&
  surelySame(value.hardware, hardware) &&
  (role === 'agent' ||
    endpoints.some((endpoint) => value.endpoints.includes(endpoint)) ||
    (endpoints.length === 0 && value.endpoints.length === 0));

const findMember = async (store: StateStore, candidate: Candidate): Promise<string | undefined> => {
  for await (const member of listAll(store, members)) if (isMember(member, candidate)) return member.id;
  return undefined;
};

const introduce = async (transaction: Transaction, id: string, { role, endpoints }: Candidate, request: EnrolRequest): Promise<string> => {
  const hostname = checkLine(request.hostname, 'host name', 253);
  const version = checkLine(request.version, 'version', 64);
  const [kind, space] = role === 'agent' ? ([machines, 'machine'] as const) : ([servers, 'server'] as const);
  const known = await transaction.read<{ readonly name: string }>(kind, id);
  const name = known?.value.name ?? (await takeName(transaction, space, plainName(hostname, space), id));
  if (known !== undefined) return name;
  if (role === 'agent') transaction.put(machines, id, { name, agentVersion: version, lastSeen: 0, protectionId: '' });
  else transaction.put(servers, id, { name, role, softwareVersion: version, lastSeen: 0, endpoints, vaults: [] });
  return name;
};

/** What is remembered of the authority of a certificate. */
const under = ({ fingerprint, newest }: Authority) => ({ signer: fingerprint, told: newest });

/** Lets machines and servers join by token, and gives members new certificates. */
export const createEnrolmentService = ({
  store,
  authority,
  attempts,
  certificateLifetime,
  grace,
  version,
}: EnrolmentOptions): ServiceImpl<typeof EnrolmentService> => {
  let last: Promise<unknown> = Promise.resolve();
  /** One after the other, so that two tokens never make two members of one machine. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };

  const enrol = async (request: EnrolRequest) => {
    const candidate: Candidate = {
      role: roleOfMessage(request.role) as MemberRole,
      hardware: readHardware(request.hardware),
      endpoints: readEndpoints(request.endpoints),
    };
    const { role, hardware, endpoints } = candidate;
    requireVersion(role, checkLine(request.version, 'version', 64), version);
    const { result } = await transact(store, async (transaction) => {
      const token = await requireToken(transaction, request.token, role);
      const id = (await findMember(store, candidate)) ?? newId();
      const known = await transaction.read(members, id);
      const incarnation = (known?.value.incarnation ?? 0) + 1;
      const issued = await authority.issue({ role, id }, request.certificateRequest, certificateLifetime);
      if (known !== undefined) revokeCertificates(transaction, known);
      const name = await introduce(transaction, id, candidate, request);
      transaction.put(tokens, token.id, { ...token.value, usedBy: id });
      transaction.put(members, id, {
        role,
        hardware,
        endpoints,
        incarnation,
        certificates: [{ serial: issued.serial, notAfter: issued.notAfter, ...under(authority) }],
      });
      transaction.event({
        severity: 'information',
        code: incarnation === 1 ? `${role}-enrolled` : `${role}-enrolled-again`,
        text: `${name} joined as ${role} with token ${token.id.slice(0, 8)}${incarnation === 1 ? '' : `, enrolment ${incarnation}; its older certificates end`}`,
        subject: id,
        actor: `token ${token.id.slice(0, 8)}`,
      });
      return { id, incarnation, issued };
    });
    return {
      id: result.id,
      incarnation: BigInt(result.incarnation),
      certificateChain: [...result.issued.chain],
      trustedAuthorities: [...authority.trusted],
    };
  };

  return {
    async enrol(request, context) {
      try {
        return await inTurn(() => enrol(request));
      } catch (reason) {
        if (!isHoldfastError(reason) || !reason.code.startsWith('TOKEN_')) throw reason;
        if (reason.code === 'TOKEN_USED') await tellMisuse(store, request.token, addressOf(context.values));
        throw attempts.wrong(addressOf(context.values), reason);
      }
    },
    async renew(request, context) {
      const peer = memberOf(context.values);
      const { identity } = peer;
      const hardware = readHardware(request.hardware);
      const { result } = await transact(store, async (transaction) => {
        const member = await requireMember(transaction, identity.id, hardware, request.incarnation);
        if ('clone' in member) return member;
        const ended = requireRenewable(member, peer);
        const issued = await authority.issue(identity, request.certificateRequest, certificateLifetime);
        const next = {
          serial: issued.serial,
          notAfter: issued.notAfter,
          seen: false,
          ...under(authority),
          ...(ended ? { lateFrom: peer.serial } : {}),
        };
        const living = withShown(member.value, peer).certificates.filter(({ notAfter }) => notAfter + grace > Date.now());
        const { kept, gone } = withIssued({ certificates: living }, next, peer.serial);
        revokeSerials(transaction, member.id, gone);
        transaction.put(members, member.id, { ...member.value, hardware, certificates: kept });
        return { issued };
      });
      if ('clone' in result) throw result.clone;
      return { certificateChain: [...result.issued.chain], trustedAuthorities: [...authority.trusted] };
    },
  };
};
