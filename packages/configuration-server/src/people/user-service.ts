import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import { isId, newId, type User, UserSchema, type UserService } from '@holdfast/protocol';
import { ID_PLACE, pagePlace, pageSize, pageToken } from '../api/paging.ts';
import { checkName, requireVersion, resolve } from '../api/resolve.ts';
import { claimName, nameId } from '../enrolment/member-name.ts';
import { personOf } from '../listener/caller.ts';
import { listPage, type Stored } from '../records/kind.ts';
import { names, type UserRecord, users } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { requestInvalid } from '../request-invalid.ts';
import type { StateStore } from '../state/state-store.ts';
import { endSessions, requireAdministratorWithout } from './accesses.ts';
import { checkPassword, type Passwords } from './password.ts';
import { personRoleMessage, personRoleOf } from './person-role.ts';

export interface UserParts {
  readonly store: StateStore;
  readonly passwords: Passwords;
}

const message = ({ id, version, value }: Omit<Stored<UserRecord>, 'key'>): User =>
  create(UserSchema, {
    id,
    version: BigInt(version),
    name: value.name,
    role: personRoleMessage(value.role),
    disabled: value.disabled,
    createdUnixMillis: BigInt(value.created),
    signedInUnixMillis: BigInt(value.signedIn),
  });

const gone = (thing: string): HoldfastError =>
  new HoldfastError('RESOURCE_NOT_FOUND', { thing, why: 'it was deleted', remedy: 'list users with `holdfast user list`' });

/** People of this installation. */
export const createUserService = ({ store, passwords }: UserParts): ServiceImpl<typeof UserService> => ({
  async listUsers({ pageSize: size, pageToken: token }) {
    const page = await listPage(store, users, pageSize(size), pagePlace(token, ID_PLACE));
    return { users: page.rows.map(message), nextPageToken: pageToken(page.next) };
  },
  async createUser({ name, role: wanted, password }, { values }) {
    const { name: actor } = personOf(values);
    const role = personRoleOf(wanted);
    checkName(name, 'user');
    if (isId(name)) throw requestInvalid('user', 'its name has the form of an id', 'choose another name');
    checkPassword(password, name);
    const value: UserRecord = {
      name,
      role,
      disabled: false,
      created: Date.now(),
      signedIn: 0,
      password: await passwords.keep(password),
    };
    const id = newId();
    const { revision } = await transact(store, async (transaction) => {
      await claimName(transaction, 'user', name, id);
      transaction.put(users, id, value);
      transaction.event({ severity: 'information', code: 'user-created', text: `${name} may sign in, as ${role}`, subject: id, actor });
      transaction.audit({ actor, action: 'CreateUser', subject: id, detail: `${name} ${role}` });
    });
    return { user: message({ id, version: revision, value }) };
  },
  async updateUser({ user, password }, { values }) {
    const { name: actor } = personOf(values);
    if (user === undefined) throw requestInvalid('user', 'it is missing', 'send one');
    const role = personRoleOf(user.role);
    checkName(user.name, 'user');
    if (isId(user.name)) throw requestInvalid('user', 'its name has the form of an id', 'choose another name');
    if (password !== '') checkPassword(password, user.name);
    const { id } = await resolve(store, users, 'user', user.id === '' ? user.name : user.id);
    const kept = password === '' ? undefined : await passwords.keep(password);
    const { revision, result: value } = await transact(store, async (transaction) => {
      const stored = await transaction.read(users, id);
      if (stored === undefined) throw gone(id);
      requireVersion(`user ${stored.value.name}`, stored.version, user.version);
      const { name, disabled } = user;
      const next: UserRecord = { ...stored.value, name, role, disabled, ...(kept === undefined ? {} : { password: kept }) };
      if (role !== 'administrator' || disabled) await requireAdministratorWithout(store, transaction, stored);
      if (nameId('user', stored.value.name) !== nameId('user', name)) transaction.delete(names, nameId('user', stored.value.name));
      await claimName(transaction, 'user', name, id);
      if (disabled || kept !== undefined) await endSessions(store, transaction, id);
      transaction.put(users, id, next);
      const changed = [role, ...(disabled ? ['disabled'] : []), ...(kept === undefined ? [] : ['with a new password'])].join(', ');
      transaction.event({ severity: 'information', code: 'user-changed', text: `${name} is now: ${changed}`, subject: id, actor });
      transaction.audit({ actor, action: 'UpdateUser', subject: id, detail: `${name} ${changed}` });
      return next;
    });
    return { user: message({ id, version: revision, value }) };
  },
  async deleteUser({ user, version }, { values }) {
    const { name: actor } = personOf(values);
    const { id } = await resolve(store, users, 'user', user);
    await transact(store, async (transaction) => {
      const stored = await transaction.read(users, id);
      if (stored === undefined) return;
      const { name } = stored.value;
      requireVersion(`user ${name}`, stored.version, version);
      await requireAdministratorWithout(store, transaction, stored);
      await endSessions(store, transaction, id);
      transaction.delete(users, id);
      transaction.delete(names, nameId('user', name));
      transaction.event({ severity: 'information', code: 'user-deleted', text: `${name} may sign in no more`, subject: id, actor });
      transaction.audit({ actor, action: 'DeleteUser', subject: id, detail: name });
    });
    return {};
  },
});
