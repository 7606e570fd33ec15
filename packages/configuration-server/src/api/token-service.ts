import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import type { MemberRole } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import { isId, roleOfMessage, type Token, TokenSchema, type TokenService } from '@holdfast/protocol';
import { hashOf, newSecret, secretId } from '../enrolment/tokens.ts';
import { personOf } from '../listener/caller.ts';
import { listPage, type Stored } from '../records/kind.ts';
import { type TokenRecord, tokens } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { checkLine, requestInvalid } from '../request-invalid.ts';
import { roleMessage } from '../role-message.ts';
import type { ApiParts } from './api-parts.ts';
import { joinLines } from './join-lines.ts';
import { ID_PLACE, pagePlace, pageSize, pageToken } from './paging.ts';

const LONGEST_LIFETIME = 30 * 24 * 3600;

const message = ({ id, value }: Pick<Stored<TokenRecord>, 'id' | 'value'>): Token =>
  create(TokenSchema, {
    id,
    role: roleMessage(value.role),
    createdUnixMillis: BigInt(value.created),
    expiresUnixMillis: BigInt(value.expires),
    used: value.usedBy !== undefined,
    note: value.note,
  });

/** One-time tokens that let machines and servers join. */
export const createTokenService = ({
  store,
  authority,
  install,
  announced,
  tokenLifetime,
}: ApiParts): ServiceImpl<typeof TokenService> => ({
  async createToken({ role: wanted, lifetimeSeconds, note }, { values }) {
    const { name: actor } = personOf(values);
    const role = roleOfMessage(wanted) as MemberRole;
    if (lifetimeSeconds > LONGEST_LIFETIME)
      throw requestInvalid('lifetime_seconds', `${lifetimeSeconds} is above ${LONGEST_LIFETIME}`, 'make a token when it is needed');
    checkLine(note, 'note', 200);
    const secret = newSecret();
    const id = secretId(secret);
    const created = Date.now();
    const lifetime = lifetimeSeconds === 0 ? tokenLifetime : lifetimeSeconds * 1000;
    const value: TokenRecord = { hash: hashOf(secret), role, created, expires: created + lifetime, note };
    await transact(store, async (transaction) => {
      transaction.put(tokens, id, value);
      transaction.audit({ actor, action: 'CreateToken', subject: id, detail: `${role} ${note}`.trim() });
    });
    const { fingerprint } = authority;
    const bundle = await install.bundle(role);
    return {
      token: message({ id, value }),
      secret,
      authorityFingerprint: fingerprint,
      joinCommand: joinLines({ role, server: announced(), fingerprint, secret, bundle }),
    };
  },
  async listTokens({ pageSize: size, pageToken: token }) {
    const page = await listPage(store, tokens, pageSize(size), pagePlace(token, ID_PLACE));
    return { tokens: page.rows.map(message), nextPageToken: pageToken(page.next) };
  },
  async revokeToken({ id }, { values }) {
    const { name: actor } = personOf(values);
    await transact(store, async (transaction) => {
      const token = isId(id) ? await transaction.read(tokens, id) : undefined;
      if (token === undefined)
        throw new HoldfastError('RESOURCE_NOT_FOUND', {
          thing: `token ${id.slice(0, 64)}`,
          why: 'there is none of this id',
          remedy: 'list what there is with `holdfast token list`',
        });
      transaction.delete(tokens, id);
      transaction.audit({ actor, action: 'RevokeToken', subject: id, detail: token.value.role });
    });
    return {};
  },
});
