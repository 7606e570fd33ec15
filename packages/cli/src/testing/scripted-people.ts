// People, tools, alerts and backups of a scripted configuration server.
import { create } from '@bufbuild/protobuf';
import type { ConnectRouter } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import {
  AccessTokenSchema,
  AccessTokenService,
  AlertService,
  AuditService,
  AuthorityService,
  BackupService,
  newId,
  PersonRole,
  SessionService,
  UserSchema,
  UserService,
} from '@holdfast/protocol';
import { conflict, page, type Script, SESSION_END, TOKEN } from './script.ts';

export const peopleRoutes = (router: ConnectRouter, script: Script): void => {
  router.service(SessionService, {
    signIn: ({ name, password }) => {
      if (script.passwords[name] !== password)
        throw new HoldfastError('SIGN_IN_NEEDED', { thing: `user ${name}`, why: 'the password is wrong', remedy: 'compare it' });
      return { token: TOKEN, expiresUnixMillis: 0n, role: PersonRole.OPERATOR };
    },
    signOut: () => ({}),
    getSession: () => ({ name: 'anna', role: PersonRole.OPERATOR, userId: newId(), expiresUnixMillis: BigInt(SESSION_END) }),
    changePassword: ({ password, newPassword }) => {
      script.passwords = { anna: `${password} then ${newPassword}` };
      return {};
    },
  });
  router.service(UserService, {
    listUsers: (request) => {
      const { rows, nextPageToken } = page(script.users, request);
      return { users: rows, nextPageToken };
    },
    createUser: ({ name, role, password }) => {
      const user = create(UserSchema, { id: newId(), version: 1n, name, role });
      script.users.push(user);
      script.passwords[name] = password;
      return { user };
    },
    updateUser: ({ user, password }) => {
      const at = script.users.findIndex(({ id }) => id === user?.id);
      if (user === undefined || script.users[at]?.version !== user.version) throw conflict(`user ${user?.name}`);
      script.users[at] = { ...user, version: user.version + 1n };
      if (password !== '') script.passwords[user.name] = password;
      return { user: script.users[at] };
    },
    deleteUser: ({ user }) => {
      script.users = script.users.filter(({ id }) => id !== user);
      return {};
    },
  });
  router.service(AccessTokenService, {
    listAccessTokens: (request) => {
      const { rows, nextPageToken } = page(script.accessTokens, request);
      return { accessTokens: rows, nextPageToken };
    },
    createAccessToken: ({ name, role, lifetimeSeconds }) => {
      const accessToken = create(AccessTokenSchema, {
        id: newId(),
        name,
        role,
        createdBy: 'anna',
        createdUnixMillis: BigInt(SESSION_END - 60_000),
        expiresUnixMillis: lifetimeSeconds === 0 ? 0n : BigInt(SESSION_END + lifetimeSeconds * 1000),
      });
      script.accessTokens.push(accessToken);
      return { accessToken, secret: 'SECRET' };
    },
    revokeAccessToken: ({ id: gone }) => {
      script.accessTokens = script.accessTokens.filter(({ id }) => id !== gone);
      return {};
    },
  });
  const changeAlert = (wanted: string, part: object) => {
    const at = script.alerts.findIndex(({ id }) => id === wanted);
    script.alerts[at] = { ...script.alerts[at]!, ...part };
    return { alert: script.alerts[at] };
  };
  router.service(AlertService, {
    listAlerts: (request) => {
      const { rows, nextPageToken } = page(
        script.alerts.filter(({ subject }) => request.subject === '' || subject === request.subject),
        request,
      );
      return { alerts: rows, nextPageToken };
    },
    acknowledgeAlert: ({ id }) => changeAlert(id, { acknowledgedBy: 'anna' }),
    silenceAlert: ({ id, seconds }) =>
      changeAlert(id, { silencedUntilUnixMillis: seconds === 0 ? 0n : BigInt(SESSION_END - 3_600_000 + seconds * 1000) }),
  });
  router.service(BackupService, {
    async *createBackup() {
      for (const part of script.backup) {
        if (part instanceof Error) throw part;
        yield { part: new TextEncoder().encode(part) };
      }
    },
    getReconciliation: () => script.reconciliation,
    confirmRestore: ({ force }) => {
      const { missing = [] } = script.reconciliation;
      if (missing.length > 0 && !force)
        throw new HoldfastError('PREREQUISITES_MISSING', { thing: 'restore', why: missing.join('; '), remedy: 'wait' });
      script.reconciliation = { ...script.reconciliation, waiting: false, missing: [] };
      return {};
    },
  });
  const authority = () => ({ ...script.authority, authorities: [{ fingerprint: 'ab', signs: true, notAfterUnixMillis: 1n }] });
  router.service(AuthorityService, {
    getAuthority: authority,
    rotateAuthority: ({ phase, force, compromised }) => {
      if (phase !== script.authority.phase) throw conflict('certificate authority');
      if (compromised) {
        script.authority = { phase: 'steady', waitingFor: [] };
        return { authority: authority() };
      }
      if (script.authority.waitingFor.length > 0 && !force)
        throw new HoldfastError('PREREQUISITES_MISSING', { thing: 'authority', why: 'somebody is waited for', remedy: 'wait' });
      const next = { steady: 'announced', announced: 'switched', switched: 'steady' }[phase] ?? '';
      script.authority = { phase: next, waitingFor: [] };
      return { authority: authority() };
    },
  });
  router.service(AuditService, {
    listAudit: (request) => {
      const { rows, nextPageToken } = page(
        script.audit.filter(({ subject }) => request.subject === '' || subject === request.subject),
        request,
      );
      return { records: rows, nextPageToken };
    },
  });
};
