import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import { type AccessToken, AccessTokenSchema, type AccessTokenService, isId } from '@holdfast/protocol';
import { ID_PLACE, pagePlace, pageSize, pageToken } from '../api/paging.ts';
import { checkName } from '../api/resolve.ts';
import { hashOf, newSecret, secretId } from '../enrolment/tokens.ts';
import { personOf } from '../listener/caller.ts';
import { listAll, type Stored } from '../records/kind.ts';
import { type AccessRecord, accesses } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { requestInvalid } from '../request-invalid.ts';
import type { StateStore } from '../state/state-store.ts';
import { requireAdministratorWithout } from './accesses.ts';
import { personRoleMessage, personRoleOf } from './person-role.ts';

const LONGEST_LIFETIME = 10 * 366 * 24 * 3600;

const message = ({ id, value }: Pick<Stored<AccessRecord>, 'id' | 'value'>): AccessToken =>
  create(AccessTokenSchema, {
    id,
    name: value.name,
    role: personRoleMessage(value.role),
    createdUnixMillis: BigInt(value.created),
    expiresUnixMillis: BigInt(value.expires ?? 0),
    createdBy: value.createdBy ?? '',
  });

/** Tokens of tools: scripts, monitoring, other programs. What people signed in to is not among them. */
export const createAccessTokenService = ({ store }: { readonly store: StateStore }): ServiceImpl<typeof AccessTokenService> => ({
  async listAccessTokens({ pageSize: size, pageToken: token }) {
    const most = pageSize(size);
    const after = pagePlace(token, ID_PLACE);
    const rows: Stored<AccessRecord>[] = [];
    // Tokens of tools are few, and stand among those of people.
    for await (const row of listAll(store, accesses)) {
      if (row.value.userId !== undefined || (after !== undefined && row.id <= after)) continue;
      if (rows.length === most) return { accessTokens: rows.map(message), nextPageToken: pageToken(rows.at(-1)!.id) };
      rows.push(row);
    }
    return { accessTokens: rows.map(message), nextPageToken: '' };
  },
  async createAccessToken({ name, role: wanted, lifetimeSeconds }, { values }) {
    const { name: actor } = personOf(values);
    const role = personRoleOf(wanted);
    checkName(name, 'access token');
    if (lifetimeSeconds > LONGEST_LIFETIME)
      throw requestInvalid(
        'lifetime_seconds',
        `${lifetimeSeconds} is above ${LONGEST_LIFETIME}`,
        'give less, or 0 for one that does not end',
      );
    const secret = newSecret();
    const id = secretId(secret);
    const created = Date.now();
    const value: AccessRecord = {
      hash: hashOf(secret),
      name,
      role,
      created,
      createdBy: actor,
      ...(lifetimeSeconds === 0 ? {} : { expires: created + lifetimeSeconds * 1000 }),
    };
    await transact(store, async (transaction) => {
      for await (const other of listAll(store, accesses))
        if (other.value.userId === undefined && other.value.name === name)
          throw new HoldfastError('NAME_TAKEN', {
            thing: `access token ${name}`,
            why: 'another one has this name, and the audit tells them by it',
            remedy: 'choose another name',
          });
      transaction.put(accesses, id, value);
      transaction.event({ severity: 'information', code: 'access-token-created', text: `${name} may call as ${role}`, subject: id, actor });
      transaction.audit({ actor, action: 'CreateAccessToken', subject: id, detail: `${name} ${role}` });
    });
    return { accessToken: message({ id, value }), secret };
  },
  async revokeAccessToken({ id }, { values }) {
    const { name: actor } = personOf(values);
    await transact(store, async (transaction) => {
      const stored = isId(id) ? await transaction.read(accesses, id) : undefined;
      if (stored === undefined || stored.value.userId !== undefined)
        throw new HoldfastError('RESOURCE_NOT_FOUND', {
          thing: `access token ${id.slice(0, 64)}`,
          why: 'there is none of this id',
          remedy: 'list what there is with `holdfast access list`',
        });
      const { name } = stored.value;
      await requireAdministratorWithout(store, transaction, stored);
      transaction.delete(accesses, id);
      transaction.event({ severity: 'information', code: 'access-token-revoked', text: `${name} may call no more`, subject: id, actor });
      transaction.audit({ actor, action: 'RevokeAccessToken', subject: id, detail: name });
    });
    return {};
  },
});
