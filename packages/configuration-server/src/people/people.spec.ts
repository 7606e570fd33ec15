import {
  AccessTokenService,
  AuditService,
  EventService,
  PersonRole,
  PolicyService,
  SessionService,
  TokenService,
  UserService,
} from '@holdfast/protocol';
import { codeOf, endTestServers, errorOf, startTestServer, type TestServer } from '../conformance/test-server.ts';

afterAll(endTestServers);

const PASSWORD = 'four words make it';

describe('people', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ 'tokens.wrong-attempts': '10000' });
  });

  const users = () => server.api(UserService);
  const addUser = async (name: string, role: PersonRole = PersonRole.OPERATOR) =>
    (await users().createUser({ name, role, password: PASSWORD })).user!;
  const signIn = async (name: string, password = PASSWORD) => server.client(SessionService).signIn({ name, password });
  const policies = (token: string): Promise<string> => codeOf(server.client(PolicyService, { token }).listPolicies({}));

  it('sign in, are known, and sign out', async () => {
    const { id } = await addUser('anna');
    const { token, role, expiresUnixMillis } = await signIn('anna');
    expect(role).toBe(PersonRole.OPERATOR);
    const hours = (Number(expiresUnixMillis) - Date.now()) / 3_600_000;
    expect(hours).toBeGreaterThan(11.9);
    expect(hours).toBeLessThanOrEqual(12);
    const session = server.client(SessionService, { token });
    expect(await session.getSession({})).toMatchObject({ name: 'anna', role: PersonRole.OPERATOR, userId: id, expiresUnixMillis });
    expect(await policies(token)).toBe('no error');
    expect(await codeOf(server.client(TokenService, { token }).createToken({}))).toBe('NO_PERMISSION');
    await session.signOut({});
    expect(await policies(token)).toBe('SIGN_IN_NEEDED');
  });

  it('hear nothing more by calls that are open when they sign out, are disabled, or may do less', async () => {
    const { id } = await addUser('olga');
    const watch = (token: string): Promise<string> => {
      const all = async (): Promise<void> => {
        for await (const _ of server.client(EventService, { token }).watchEvents({}));
      };
      return codeOf(all());
    };
    const { token } = await signIn('olga');
    const first = watch(token);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await server.client(SessionService, { token }).signOut({});
    expect(await first).toBe('SIGN_IN_NEEDED');
    const second = watch((await signIn('olga')).token);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const { users: all } = await users().listUsers({});
    const olga = all.find((one) => one.id === id)!;
    await users().updateUser({ user: { ...olga, disabled: true } });
    expect(await second).toBe('SIGN_IN_NEEDED');
    const { accessToken, secret } = await server.api(AccessTokenService).createAccessToken({ name: 'watcher', role: PersonRole.READER });
    const third = watch(secret);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await server.api(AccessTokenService).revokeAccessToken({ id: accessToken!.id });
    expect(await third).toBe('SIGN_IN_NEEDED');
    const brief = await server.api(AccessTokenService).createAccessToken({ name: 'brief', role: PersonRole.READER, lifetimeSeconds: 1 });
    expect(await watch(brief.secret)).toBe('SIGN_IN_NEEDED');
  }, 30_000);

  it('are refused with one and the same answer, whether name or password is wrong', async () => {
    await addUser('berta');
    const reason = async (name: string, password: string) => {
      const error = await signIn(name, password).then(
        () => undefined,
        (failure: unknown) => errorOf(failure),
      );
      return { code: error?.code, why: error?.why };
    };
    const wrong = await reason('berta', `${PASSWORD}!`);
    expect(wrong.code).toBe('SIGN_IN_NEEDED');
    expect(await reason('nobody', PASSWORD)).toEqual(wrong);
    expect(await reason('../etc', PASSWORD)).toEqual(wrong);
    expect(await reason('berta', '')).toEqual(wrong);
    expect(await reason('berta', 'x'.repeat(100_000))).toEqual(wrong);
    expect(await reason('berta', PASSWORD)).toEqual({});
  });

  it('take letters as they are meant, however they are typed', async () => {
    await users().createUser({ name: 'ida', role: PersonRole.READER, password: 'ein Schl\u00fcssel hier' });
    expect(await codeOf(signIn('ida', 'ein Schlu\u0308ssel hier'))).toBe('no error');
  });

  it.each([
    ['short', 'elevenchars'],
    ['repeated', 'aaaaaaaaaaaaaaaa'],
    ['named', 'my name is clara'],
    ['endless', 'abcdefgh'.repeat(40)],
  ])('need a good password: %s', async (_, password) => {
    expect(await codeOf(users().createUser({ name: 'clara', role: PersonRole.READER, password }))).toBe('REQUEST_INVALID');
  });

  it('need a name of their own and a role', async () => {
    await addUser('dora');
    expect(await codeOf(addUser('Dora'))).toBe('NAME_TAKEN');
    expect(await codeOf(addUser('a b'))).toBe('REQUEST_INVALID');
    expect(await codeOf(addUser('0'.repeat(32)))).toBe('REQUEST_INVALID');
    expect(await codeOf(addUser('else', PersonRole.UNSPECIFIED))).toBe('REQUEST_INVALID');
  });

  it('lose at once what they may do no more', async () => {
    const user = await addUser('emil', PersonRole.ADMINISTRATOR);
    const { token } = await signIn('emil');
    const tokens = () => codeOf(server.client(TokenService, { token }).listTokens({}));
    expect(await tokens()).toBe('no error');
    const smaller = (await users().updateUser({ user: { ...user, role: PersonRole.READER, version: await versionOf('emil') } })).user!;
    expect(await tokens()).toBe('NO_PERMISSION');
    expect(await policies(token)).toBe('no error');
    const shut = (await users().updateUser({ user: { ...smaller, disabled: true } })).user!;
    expect(await policies(token)).toBe('SIGN_IN_NEEDED');
    expect(await codeOf(signIn('emil'))).toBe('SIGN_IN_NEEDED');
    const open = (await users().updateUser({ user: { ...shut, disabled: false } })).user!;
    // What was signed in to before does not come back.
    expect(await policies(token)).toBe('SIGN_IN_NEEDED');
    const again = (await signIn('emil')).token;
    await users().deleteUser({ user: 'emil', version: await versionOf('emil') });
    expect(await policies(again)).toBe('SIGN_IN_NEEDED');
    expect(await codeOf(users().deleteUser({ user: open.id, version: open.version }))).toBe('RESOURCE_NOT_FOUND');
  });

  const versionOf = async (name: string): Promise<bigint> =>
    (await users().listUsers({ pageSize: 500 })).users.find((user) => user.name === name)!.version;

  it('change their password, which ends their other sessions', async () => {
    await addUser('frida');
    const [kept, other] = await Promise.all([signIn('frida'), signIn('frida')]);
    const session = server.client(SessionService, { token: kept.token });
    const newPassword = 'another four words';
    expect(await codeOf(session.changePassword({ password: 'not the right one', newPassword }))).toBe('SIGN_IN_NEEDED');
    expect(await codeOf(session.changePassword({ password: PASSWORD, newPassword: 'short' }))).toBe('REQUEST_INVALID');
    await session.changePassword({ password: PASSWORD, newPassword });
    expect([await policies(kept.token), await policies(other.token)]).toEqual(['no error', 'SIGN_IN_NEEDED']);
    expect(await codeOf(signIn('frida'))).toBe('SIGN_IN_NEEDED');
    expect(await codeOf(signIn('frida', newPassword))).toBe('no error');
  });

  it('get a new one from an administrator, which ends all of theirs', async () => {
    await addUser('gerda');
    const { token } = await signIn('gerda');
    const [user] = (await users().listUsers({ pageSize: 500 })).users.filter(({ name }) => name === 'gerda');
    await users().updateUser({ user: user!, password: 'from the administrator' });
    expect(await policies(token)).toBe('SIGN_IN_NEEDED');
    expect(await codeOf(signIn('gerda', 'from the administrator'))).toBe('no error');
    // Negative control: an edit of what was read before is refused.
    expect(await codeOf(users().updateUser({ user: user!, password: 'from the administrator' }))).toBe('VERSION_CONFLICT');
  });

  it('are never shown with what is kept of their password, nor is their token', async () => {
    await addUser('hugo');
    const { token } = await signIn('hugo');
    const seen = JSON.stringify(
      [
        server.lines,
        await users().listUsers({ pageSize: 500 }),
        await server.api(EventService).listEvents({ pageSize: 500 }),
        await server.api(AuditService).listAudit({ pageSize: 500 }),
        await server.api(AccessTokenService).listAccessTokens({ pageSize: 500 }),
      ],
      (_, value) => (typeof value === 'bigint' ? String(value) : value),
    );
    expect(seen).toContain('hugo');
    for (const secret of [token, PASSWORD, 'salt', 'parallelization']) expect(seen).not.toContain(secret);
  });
});

describe('who guesses passwords', () => {
  it('is told to stop, and not even believed when right', async () => {
    const server = await startTestServer({ 'tokens.wrong-attempts': '2' });
    await server.api(UserService).createUser({ name: 'anna', role: PersonRole.READER, password: PASSWORD });
    const guess = (password: string) => codeOf(server.client(SessionService).signIn({ name: 'anna', password }));
    expect([await guess('guess one more'), await guess('guess two more')]).toEqual(['SIGN_IN_NEEDED', 'SIGN_IN_NEEDED']);
    expect([await guess('guess again'), await guess(PASSWORD)]).toEqual(['TOO_MANY_ATTEMPTS', 'TOO_MANY_ATTEMPTS']);
  });
});

describe('tokens of tools', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  const access = () => server.api(AccessTokenService);

  it('are good for their role until they are revoked', async () => {
    const { accessToken, secret } = await access().createAccessToken({ name: 'grafana', role: PersonRole.READER });
    const policies = server.client(PolicyService, { token: secret });
    expect(await codeOf(policies.listPolicies({}))).toBe('no error');
    expect(await codeOf(policies.createPolicy({ policy: { name: 'x' } }))).toBe('NO_PERMISSION');
    const session = server.client(SessionService, { token: secret });
    expect(await session.getSession({})).toMatchObject({ name: 'grafana', role: PersonRole.READER, userId: '', expiresUnixMillis: 0n });
    expect(await codeOf(session.signOut({}))).toBe('REQUEST_INVALID');
    expect(await codeOf(access().createAccessToken({ name: 'grafana', role: PersonRole.READER }))).toBe('NAME_TAKEN');
    await access().revokeAccessToken({ id: accessToken!.id });
    expect(await codeOf(policies.listPolicies({}))).toBe('SIGN_IN_NEEDED');
  });

  it('end by themselves when told to', async () => {
    const { accessToken, secret } = await access().createAccessToken({ name: 'brief', role: PersonRole.READER, lifetimeSeconds: 1 });
    await new Promise((resolve) => setTimeout(resolve, Number(accessToken!.expiresUnixMillis) - Date.now() + 1));
    expect(await codeOf(server.client(PolicyService, { token: secret }).listPolicies({}))).toBe('SIGN_IN_NEEDED');
  });

  it('are listed page by page, without those of people', async () => {
    await server.api(UserService).createUser({ name: 'anna', role: PersonRole.READER, password: PASSWORD });
    await server.client(SessionService).signIn({ name: 'anna', password: PASSWORD });
    for (const name of ['one', 'two', 'three']) await access().createAccessToken({ name, role: PersonRole.READER });
    const found: string[] = [];
    for (let pageToken = ''; ; ) {
      const page = await access().listAccessTokens({ pageSize: 2, pageToken });
      expect(page.accessTokens.length).toBeLessThanOrEqual(2);
      found.push(...page.accessTokens.map(({ name }) => name));
      pageToken = page.nextPageToken;
      if (pageToken === '') break;
    }
    expect(found.toSorted()).toEqual(expect.arrayContaining(['administrator', 'one', 'three', 'two']));
    expect(found).not.toContain('anna');
    expect(new Set(found).size).toBe(found.length);
  });
});

describe('the last administrator', () => {
  it('stays, whatever is tried', async () => {
    const server = await startTestServer();
    const access = server.api(AccessTokenService);
    const users = server.api(UserService);
    const [first] = (await access.listAccessTokens({})).accessTokens;
    expect(await codeOf(access.revokeAccessToken({ id: first!.id }))).toBe('LAST_ADMINISTRATOR');
    // One that ends is no replacement.
    await access.createAccessToken({ name: 'brief', role: PersonRole.ADMINISTRATOR, lifetimeSeconds: 3600 });
    expect(await codeOf(access.revokeAccessToken({ id: first!.id }))).toBe('LAST_ADMINISTRATOR');
    const { user } = await users.createUser({ name: 'anna', role: PersonRole.ADMINISTRATOR, password: PASSWORD });
    const { token } = await server.client(SessionService).signIn({ name: 'anna', password: PASSWORD });
    await access.revokeAccessToken({ id: first!.id });
    const asAnna = server.client(UserService, { token });
    const [now] = (await asAnna.listUsers({})).users;
    expect(await codeOf(asAnna.updateUser({ user: { ...now!, role: PersonRole.OPERATOR } }))).toBe('LAST_ADMINISTRATOR');
    expect(await codeOf(asAnna.updateUser({ user: { ...now!, disabled: true } }))).toBe('LAST_ADMINISTRATOR');
    expect(await codeOf(asAnna.deleteUser({ user: user!.id, version: now!.version }))).toBe('LAST_ADMINISTRATOR');
  });

  it('is not lost when two remove each other at one moment', async () => {
    const server = await startTestServer();
    const access = server.api(AccessTokenService);
    const [first] = (await access.listAccessTokens({})).accessTokens;
    const second = await access.createAccessToken({ name: 'second', role: PersonRole.ADMINISTRATOR });
    const outcomes = await Promise.all([
      codeOf(access.revokeAccessToken({ id: second.accessToken!.id })),
      codeOf(server.client(AccessTokenService, { token: second.secret }).revokeAccessToken({ id: first!.id })),
    ]);
    expect(outcomes.filter((code) => code === 'no error')).toHaveLength(1);
    expect(outcomes.find((code) => code !== 'no error')).toMatch(/LAST_ADMINISTRATOR|SIGN_IN_NEEDED/);
  });
});

describe('the audit', () => {
  it('tells who did what, newest first, page by page', async () => {
    const server = await startTestServer();
    const { user } = await server.api(UserService).createUser({ name: 'anna', role: PersonRole.OPERATOR, password: PASSWORD });
    const { token } = await server.client(SessionService).signIn({ name: 'anna', password: PASSWORD });
    await server.client(PolicyService, { token }).createPolicy({ policy: { name: 'gold' } });
    const audit = server.api(AuditService);
    const page = await audit.listAudit({ pageSize: 2 });
    expect(page.records.map(({ actor, action }) => `${actor} ${action}`)).toEqual(['anna CreatePolicy', 'anna SignIn']);
    const rest = await audit.listAudit({ pageSize: 2, pageToken: page.nextPageToken });
    expect(rest).toMatchObject({ records: [{ actor: 'administrator', action: 'CreateUser', detail: 'anna operator' }], nextPageToken: '' });
    expect((await audit.listAudit({ subject: user!.id })).records.map(({ action }) => action)).toEqual(['SignIn', 'CreateUser']);
    expect(await codeOf(audit.listAudit({ subject: 'anna' }))).toBe('REQUEST_INVALID');
  });
});
