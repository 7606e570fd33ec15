import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { MemberRole } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import type { Stored } from '../records/kind.ts';
import { type TokenRecord, tokens } from '../records/kinds.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';

/** A new secret of 256 bits; as it is random, a plain hash of it keeps it. */
export const newSecret = (): string => randomBytes(32).toString('base64url');

export const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** The id of what is stored for a secret: the beginning of its hash, which says nothing of the secret. */
export const secretId = (secret: string): string => hashOf(secret).slice(0, 32);

/** Compares in a time that does not depend on where they differ. */
export const matches = (secret: string, hash: string): boolean =>
  timingSafeEqual(Buffer.from(hashOf(secret), 'hex'), Buffer.from(hash, 'hex'));

/** True for the form of our secrets; anything else needs no look-up. */
export const looksLikeSecret = (text: string): boolean => /^[A-Za-z0-9_-]{43}$/.test(text);

const refused = (code: 'TOKEN_UNKNOWN' | 'TOKEN_USED' | 'TOKEN_EXPIRED', thing: string, why: string): HoldfastError =>
  new HoldfastError(code, { thing, why, remedy: 'make a new one with `holdfast token create` and paste the join command whole' });

/** The token behind a secret, good for this role now. Throws TOKEN_UNKNOWN, TOKEN_USED or TOKEN_EXPIRED. */
export const requireToken = async (
  transaction: Pick<Transaction, 'read'>,
  secret: string,
  role: MemberRole,
): Promise<Stored<TokenRecord>> => {
  if (!looksLikeSecret(secret)) throw refused('TOKEN_UNKNOWN', 'join token', 'it does not have the form of a token');
  const token = await transaction.read(tokens, secretId(secret));
  if (token === undefined || !matches(secret, token.value.hash))
    throw refused('TOKEN_UNKNOWN', 'join token', 'this server did not give it out, or it was revoked');
  const thing = `join token ${token.id.slice(0, 8)}`;
  const { usedBy, expires, role: meant } = token.value;
  if (meant !== role) throw refused('TOKEN_UNKNOWN', thing, `it lets a ${meant} join, not a ${role}`);
  if (usedBy !== undefined) throw refused('TOKEN_USED', thing, `${usedBy} joined with it`);
  if (Date.now() >= expires) throw refused('TOKEN_EXPIRED', thing, `it was good until ${new Date(expires).toISOString()}`);
  return token;
};

/** Writes down, once for each token, that somebody tried to join with one that was used before: the first use may not have been meant. */
export const tellMisuse = async (store: StateStore, secret: string, from: string): Promise<void> => {
  await transact(store, async (transaction) => {
    const token = await transaction.read(tokens, secretId(secret));
    if (token?.value.usedBy === undefined || token.value.misused === true) return;
    transaction.put(tokens, token.id, { ...token.value, misused: true });
    transaction.event({
      severity: 'warning',
      code: 'TOKEN_USED',
      text: `Somebody at ${from} tried to join with token ${token.id.slice(0, 8)}, which was used before`,
      subject: token.value.usedBy,
      actor: `token ${token.id.slice(0, 8)}`,
    });
  });
};
