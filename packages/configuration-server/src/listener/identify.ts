import type { TLSSocket } from 'node:tls';
import { HoldfastError } from '@holdfast/errors';
import { type Grace, peerOfSocket } from '@holdfast/protocol';
import type { Attempts } from '../enrolment/attempts.ts';
import { looksLikeSecret, matches, secretId } from '../enrolment/tokens.ts';
import { find } from '../records/kind.ts';
import { accesses } from '../records/kinds.ts';
import type { StateStore } from '../state/state-store.ts';
import type { Caller } from './caller.ts';
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
    return { kind: 'person', person: { id: access.id, name: access.value.name, role: access.value.role } };
  }
  const peer = peerOfSocket(socket, grace);
  if (peer === undefined) return { kind: 'anonymous' };
  revocations.require(peer, grace?.lasts);
  return { kind: 'member', peer };
};
