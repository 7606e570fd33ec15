import type { TLSSocket } from 'node:tls';
import { HoldfastError } from '@holdfast/errors';
import { type Grace, peerOfSocket } from '@holdfast/protocol';
import type { Attempts } from '../enrolment/attempts.ts';
import { looksLikeSecret, matches, secretId } from '../enrolment/tokens.ts';
import { find, type Stored } from '../records/kind.ts';
import { type AccessRecord, accesses, users } from '../records/kinds.ts';
import type { StateStore } from '../state/state-store.ts';
import type { Caller, Person } from './caller.ts';
import type { Revocations } from './revocations.ts';

export interface IdentifyOptions {
  readonly store: StateStore;
  readonly attempts: Attempts;
  readonly revocations: Revocations;
}

const unknownToken = (): HoldfastError =>
  new HoldfastError('SIGN_IN_NEEDED', {
    thing: 'token of the call',
    why: 'this server does not know it',
    remedy: 'sign in again with `holdfast login`',
  });

const noMore = (why: string): HoldfastError =>
  new HoldfastError('SIGN_IN_NEEDED', { thing: 'token of the call', why, remedy: 'sign in again with `holdfast login`' });

/** Name and role of a user are what they are now, not what they were at sign-in. */
const personBehind = async (store: StateStore, { id: access, value }: Stored<AccessRecord>): Promise<Person> => {
  const { name, role, expires, userId } = value;
  if (expires !== undefined && Date.now() >= expires) throw noMore(`it was good until ${new Date(expires).toISOString()}`);
  const ends = expires === undefined ? {} : { expires };
  if (userId === undefined) return { name, role, access, ...ends };
  const user = await find(store, users, userId);
  if (user === undefined || user.value.disabled) throw noMore(`${name} may sign in no more`);
  return { name: user.value.name, role: user.value.role, access, userId, ...ends };
};

/** The person or tool behind a token that was shown before. Rejects with SIGN_IN_NEEDED when it counts no more. */
export const personNow = async (store: StateStore, access: string): Promise<Person> => {
  const known = await find(store, accesses, access);
  if (known === undefined) throw noMore('it was taken back');
  return personBehind(store, known);
};

/**
 * Who makes a call, by the client certificate of its connection or by its bearer token; a token counts where both are there. Throws
 * CERTIFICATE_EXPIRED, unless `grace` lasts, CERTIFICATE_UNTRUSTED, CERTIFICATE_REVOKED, IDENTITY_MISMATCH, SIGN_IN_NEEDED or
 * TOO_MANY_ATTEMPTS.
 */
export const identify = async (
  { store, attempts, revocations }: IdentifyOptions,
  socket: TLSSocket,
  authorization: string | null,
  grace?: Grace,
): Promise<Caller> => {
  if (authorization !== null) {
    const [, secret = ''] = /^Bearer +([^ ]+)$/i.exec(authorization) ?? [];
    const access = looksLikeSecret(secret) ? await find(store, accesses, secretId(secret)) : undefined;
    if (access === undefined || !matches(secret, access.value.hash)) throw attempts.wrong(socket.remoteAddress ?? '', unknownToken());
    return { kind: 'person', person: await personBehind(store, access) };
  }
  const peer = peerOfSocket(socket, grace);
  if (peer === undefined) return { kind: 'anonymous' };
  revocations.require(peer, grace?.lasts);
  return { kind: 'member', peer };
};
