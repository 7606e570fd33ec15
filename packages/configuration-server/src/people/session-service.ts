import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import type { SessionService } from '@holdfast/protocol';
import { idOf } from '../api/resolve.ts';
import type { Attempts } from '../enrolment/attempts.ts';
import { hashOf, newSecret, secretId } from '../enrolment/tokens.ts';
import { addressOf, personOf } from '../listener/caller.ts';
import { find } from '../records/kind.ts';
import { accesses, users } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { requestInvalid } from '../request-invalid.ts';
import { endSessions } from './accesses.ts';
import { checkPassword } from './password.ts';
import { personRoleMessage } from './person-role.ts';
import type { UserParts } from './user-service.ts';

export interface SessionParts extends UserParts {
  readonly attempts: Attempts;
  /** Milliseconds. */
  readonly sessionLifetime: number;
}

const refused = (name: string): HoldfastError =>
  new HoldfastError('SIGN_IN_NEEDED', {
    thing: `user ${JSON.stringify(name.slice(0, 80))}`,
    why: 'there is none of this name who may sign in with this password',
    remedy: 'compare both; an administrator can set a new password with `holdfast user set`',
  });

const notAUser = (why: string, remedy: string): HoldfastError => requestInvalid('token of the call', why, remedy);

/** People come and go. */
export const createSessionService = ({
  store,
  passwords,
  attempts,
  sessionLifetime,
}: SessionParts): ServiceImpl<typeof SessionService> => ({
  async signIn({ name, password }, { values }) {
    const from = addressOf(values);
    // Passwords can be guessed, unlike tokens: from an address that guesses, not even the right one is taken.
    const guess = attempts.guess(from);
    const known = await (async () => {
      try {
        const id = await idOf(store, 'user', name).catch(() => undefined);
        const user = id === undefined ? undefined : await find(store, users, id);
        const isRight = await passwords.isRight(password, user?.value.password);
        if (user === undefined || !isRight || user.value.disabled) throw guess.wrong(refused(name));
        return user;
      } finally {
        guess.end();
      }
    })();
    const secret = newSecret();
    const now = Date.now();
    const expires = now + sessionLifetime;
    const { role } = known.value;
    await transact(store, async (transaction) => {
      const user = await transaction.read(users, known.id);
      // Changed since the password was compared.
      if (user === undefined || user.value.disabled || user.value.password.key !== known.value.password.key) throw refused(name);
      transaction.put(users, known.id, { ...user.value, signedIn: now });
      transaction.put(accesses, secretId(secret), {
        hash: hashOf(secret),
        name: user.value.name,
        role: user.value.role,
        created: now,
        expires,
        userId: known.id,
      });
      transaction.audit({ actor: user.value.name, action: 'SignIn', subject: known.id, detail: from });
    });
    return { token: secret, expiresUnixMillis: BigInt(expires), role: personRoleMessage(role) };
  },
  async signOut(_, { values }) {
    const { access, userId, name } = personOf(values);
    if (userId === undefined) throw notAUser('it is of a tool, which does not sign out', 'revoke it with `holdfast access revoke`');
    await transact(store, async (transaction) => {
      transaction.delete(accesses, access);
      transaction.audit({ actor: name, action: 'SignOut', subject: userId, detail: addressOf(values) });
    });
    return {};
  },
  async getSession(_, { values }) {
    const { name, role, userId = '', expires = 0 } = personOf(values);
    return { name, role: personRoleMessage(role), userId, expiresUnixMillis: BigInt(expires) };
  },
  async changePassword({ password, newPassword }, { values }) {
    const { access, userId, name } = personOf(values);
    if (userId === undefined) throw notAUser('it is of a tool, which has no password', 'sign in with `holdfast login --user NAME`');
    const from = addressOf(values);
    checkPassword(newPassword, name);
    const guess = attempts.guess(from);
    const known = await find(store, users, userId);
    try {
      if (!(await passwords.isRight(password, known?.value.password))) throw guess.wrong(refused(name));
    } finally {
      guess.end();
    }
    const kept = await passwords.keep(newPassword);
    await transact(store, async (transaction) => {
      const user = await transaction.read(users, userId);
      if (user === undefined || user.value.password.key !== known!.value.password.key) throw refused(name);
      transaction.put(users, userId, { ...user.value, password: kept });
      await endSessions(store, transaction, userId, access);
      transaction.event({
        severity: 'information',
        code: 'password-changed',
        text: `${name} has a new password`,
        subject: userId,
        actor: name,
      });
      transaction.audit({ actor: name, action: 'ChangePassword', subject: userId, detail: from });
    });
    return {};
  },
});
