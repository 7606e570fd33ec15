// A configuration server of tests: real HTTPS, real Connect, and answers out of arrays that a test fills and changes.
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { ConnectRouter, Interceptor } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { HoldfastError } from '@holdfast/errors';
import {
  AccessTokenSchema,
  AccessTokenService,
  type AlertSchema,
  AlertService,
  type AuditRecordSchema,
  AuditService,
  BackupService,
  connectError,
  type EventSchema,
  EventService,
  JobSchema,
  JobService,
  JobState,
  type MachineSchema,
  MachineService,
  newId,
  PersonRole,
  type PointKind,
  PolicySchema,
  PolicyService,
  ProtectionSchema,
  ProtectionService,
  type ServerSchema,
  ServerService,
  SessionService,
  serverTlsOptions,
  TokenSchema,
  TokenService,
  UserSchema,
  UserService,
} from '@holdfast/protocol';
import { createTestAuthority, type TestAuthority } from '@holdfast/protocol/conformance';

export const TOKEN = 'a-token-of-tests';

/** When the session of the scripted person ends, milliseconds since 1970. */
export const SESSION_END = Date.UTC(2026, 10, 22, 13);

/** Milliseconds between two looks of a watch at what it tells of. */
const LOOK = 5;

/** What the server tells; change it at will. */
export interface Script {
  machines: MessageInitShape<typeof MachineSchema>[];
  protections: MessageInitShape<typeof ProtectionSchema>[];
  policies: MessageInitShape<typeof PolicySchema>[];
  servers: MessageInitShape<typeof ServerSchema>[];
  tokens: MessageInitShape<typeof TokenSchema>[];
  jobs: MessageInitShape<typeof JobSchema>[];
  users: MessageInitShape<typeof UserSchema>[];
  /** By name; whoever signs in with it gets the one token there is. */
  passwords: Record<string, string>;
  accessTokens: MessageInitShape<typeof AccessTokenSchema>[];
  /** What comes as a backup, part by part; an error ends it. */
  backup: (string | Error)[];
  /** The gravest first. */
  alerts: MessageInitShape<typeof AlertSchema>[];
  audit: MessageInitShape<typeof AuditRecordSchema>[];
  /** Kinds of the points that were asked for. */
  asked: PointKind[];
  /** Oldest first. */
  events: MessageInitShape<typeof EventSchema>[];
  /** Called before each call is answered; may throw, wait, or change what is told. */
  before(method: string): unknown;
  /** What is said in the header `date`. */
  date?: string;
}

export interface ScriptedSite {
  readonly url: string;
  readonly authority: TestAuthority;
  readonly script: Script;
  /** `Service.Method` of each call, in order. */
  readonly calls: string[];
  /** Ends all connections, as a server does that is killed. */
  cut(): void;
  close(): Promise<void>;
  /** Listens again on the same port, with another authority when one is given. */
  reopen(authority?: TestAuthority): Promise<void>;
}

export const emptyScript = (): Script => ({
  machines: [],
  protections: [],
  policies: [],
  servers: [],
  tokens: [],
  jobs: [],
  asked: [],
  users: [],
  passwords: {},
  accessTokens: [],
  backup: [],
  alerts: [],
  audit: [],
  events: [],
  before: () => {},
});

/** Opens one on a free port of 127.0.0.1. */
export const openScriptedSite = async (script: Script): Promise<ScriptedSite> => {
  const calls: string[] = [];
  const sessions = new Set<ServerHttp2Session>();
  let authority = await createTestAuthority();
  let server = await listen(authority, script, calls, sessions, 0);
  const { port } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const session of sessions) session.destroy();
  };
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      cut();
    });
  return {
    url: `https://127.0.0.1:${port}`,
    get authority() {
      return authority;
    },
    script,
    calls,
    cut,
    close,
    reopen: async (other = authority) => {
      authority = other;
      server = await listen(authority, script, calls, sessions, port);
    },
  };
};

const listen = async (
  authority: TestAuthority,
  script: Script,
  calls: string[],
  sessions: Set<ServerHttp2Session>,
  port: number,
): Promise<Http2SecureServer> => {
  const own = await authority.issue({ role: 'configuration-server', id: newId() });
  const tls = serverTlsOptions({ ...own, certificateChain: `${own.certificateChain}\n${authority.certificate}` });
  const adapter = connectNodeAdapter({
    routes: (router) => routes(router, script),
    interceptors: [named(script, calls)],
  });
  const server = createSecureServer({ ...tls, allowHTTP1: true }, (request, response) => {
    if (script.date !== undefined) response.setHeader('date', script.date);
    adapter(request, response);
  });
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return server;
};

/** Notes each call, asks for the token, and tells errors as our servers do. */
const named =
  (script: Script, calls: string[]): Interceptor =>
  (next) =>
  async (request) => {
    const method = `${request.service.name}.${request.method.name}`;
    calls.push(method);
    try {
      const isOpen = method === 'SessionService.SignIn';
      if (!isOpen && request.header.get('authorization') !== `Bearer ${TOKEN}`)
        throw new HoldfastError('SIGN_IN_NEEDED', { thing: 'call', why: 'its token is not known', remedy: '`holdfast login` again' });
      await script.before(method);
      return await next(request);
    } catch (reason) {
      throw connectError(reason);
    }
  };

/** A page of `all`, whose token is the number of rows before it. */
const page = <Row>(all: readonly Row[], { pageSize, pageToken }: { readonly pageSize: number; readonly pageToken: string }) => {
  const from = Number(pageToken || 0);
  const to = from + (pageSize || 100);
  return { rows: all.slice(from, to), nextPageToken: to < all.length ? String(to) : '' };
};

const conflict = (thing: string): HoldfastError =>
  new HoldfastError('VERSION_CONFLICT', { thing, why: 'it was changed by somebody else', remedy: 'read it again' });

const routes = (router: ConnectRouter, script: Script): void => {
  const startJob = (kind: string, machineId: string) => {
    const job = create(JobSchema, { id: newId(), kind, machineId, state: JobState.RUNNING, progress: 0, startedBy: 'anna', version: 1n });
    script.jobs.unshift(job);
    return job;
  };
  router.service(MachineService, {
    listMachines: (request) => {
      const { rows, nextPageToken } = page(script.machines, request);
      return { machines: rows, nextPageToken };
    },
    renameMachine: ({ machine, name, version }) => {
      const at = script.machines.findIndex(({ id }) => id === machine);
      if (script.machines[at]?.version !== version) throw conflict(machine);
      script.machines[at] = { ...script.machines[at]!, name };
      return { machine: script.machines[at] };
    },
    removeMachine: ({ machine, version, force }) => {
      const at = script.machines.findIndex(({ id }) => id === machine);
      if (script.machines[at]?.version !== version) throw conflict(machine);
      if (script.machines[at]?.protectionId && !force)
        throw new HoldfastError('MACHINE_PROTECTED', { thing: machine, why: 'it is protected', remedy: 'end its protection first' });
      script.machines.splice(at, 1);
      return {};
    },
  });
  router.service(ProtectionService, {
    listProtections: (request) => {
      const { rows, nextPageToken } = page(script.protections, request);
      return { protections: rows, nextPageToken };
    },
    protect: (request) => {
      const protection = create(ProtectionSchema, {
        id: newId(),
        version: 1n,
        machineId: request.machine,
        policyId: request.policy,
        vault: request.vault,
        processServerId: request.processServer,
        excludedDiskIds: request.excludedDisks,
      });
      script.protections.push(protection);
      return { protection, job: startJob('protect', request.machine) };
    },
    makePoint: ({ machine, kind }) => {
      script.asked.push(kind);
      return { job: startJob('point', machine) };
    },
    updateProtection: ({ machine, policy, excludeDisks, includeDisks }) => {
      const at = script.protections.findIndex(({ machineId }) => machineId === machine);
      const { policyId, excludedDiskIds = [] } = script.protections[at]!;
      const excluded = [...excludedDiskIds.filter((id) => !includeDisks.includes(id)), ...excludeDisks];
      script.protections[at] = { ...script.protections[at]!, policyId: policy || policyId!, excludedDiskIds: excluded };
      return {};
    },
    move: ({ machine, processServer }) => ({ job: startJob(`move to ${processServer}`, machine) }),
    unprotect: ({ machine, version }) => {
      const found = script.protections.find(({ machineId }) => machineId === machine);
      if (found?.version !== version) throw conflict(machine);
      return { job: startJob('unprotect', machine) };
    },
  });
  router.service(PolicyService, {
    listPolicies: (request) => {
      const { rows, nextPageToken } = page(script.policies, request);
      return { policies: rows, nextPageToken };
    },
    createPolicy: ({ policy }) => {
      const made = create(PolicySchema, { ...policy!, id: newId(), version: 1n });
      script.policies.push(made);
      return { policy: made };
    },
    updatePolicy: ({ policy }) => {
      const at = script.policies.findIndex(({ id }) => id === policy?.id);
      if (policy === undefined || script.policies[at]?.version !== policy.version) throw conflict(`policy ${policy?.name}`);
      const changed = create(PolicySchema, { ...policy, version: policy.version + 1n });
      script.policies[at] = changed;
      return { policy: changed };
    },
    deletePolicy: ({ policy }) => {
      script.policies = script.policies.filter(({ id }) => id !== policy);
      return {};
    },
  });
  router.service(ServerService, {
    listServers: (request) => {
      const { rows, nextPageToken } = page(script.servers, request);
      return { servers: rows, nextPageToken };
    },
    revokeServer: () => ({}),
    drainServer: ({ server, end }) => {
      const at = script.servers.findIndex(({ id }) => id === server);
      script.servers[at] = { ...script.servers[at]!, draining: !end };
      return { server: script.servers[at] };
    },
    removeServer: ({ server, force }) => {
      if (!force) throw new HoldfastError('SERVER_IN_USE', { thing: server, why: 'it receives db1', remedy: 'drain it' });
      script.servers = script.servers.filter(({ id }) => id !== server);
      return {};
    },
  });
  router.service(TokenService, {
    createToken: ({ role, note, lifetimeSeconds }) => {
      const token = create(TokenSchema, {
        id: newId(),
        role,
        note,
        createdUnixMillis: BigInt(Date.now()),
        expiresUnixMillis: BigInt(Date.now() + (lifetimeSeconds || 3600) * 1000),
      });
      script.tokens.push(token);
      return {
        token,
        secret: 'SECRET',
        authorityFingerprint: 'ab'.repeat(32),
        joinCommand: 'curl -fsSkO …\necho SECRET | sudo holdfast-agent join',
      };
    },
    listTokens: (request) => {
      const { rows, nextPageToken } = page(script.tokens, request);
      return { tokens: rows, nextPageToken };
    },
    revokeToken: () => ({}),
  });
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
  router.service(JobService, {
    listJobs: (request) => {
      const { rows, nextPageToken } = page(
        script.jobs.filter(({ machineId }) => request.machine === '' || request.machine === machineId),
        request,
      );
      return { jobs: rows, nextPageToken };
    },
    getJob: ({ id }) => ({ job: script.jobs.find((one) => one.id === id)! }),
    // Each look at a running job is told; `before` changes it.
    async *watchJob({ id }, { signal }) {
      for (; ; await wait(LOOK, undefined, { signal })) {
        await script.before('look');
        const job = script.jobs.find((one) => one.id === id)!;
        yield { job };
        if (job.state !== JobState.RUNNING) return;
      }
    },
    cancelJob: ({ id }) => {
      const at = script.jobs.findIndex((one) => one.id === id);
      script.jobs[at] = { ...script.jobs[at]!, state: JobState.CANCELLED };
      return { job: script.jobs[at] };
    },
  });
  router.service(EventService, {
    listEvents: (request) => {
      const wanted = script.events
        .filter(
          ({ severity = 0, subject }) => severity >= request.minimumSeverity && (request.subject === '' || subject === request.subject),
        )
        .reverse();
      const { rows, nextPageToken } = page(wanted, request);
      return { events: rows, nextPageToken };
    },
    async *watchEvents({ afterRevision }, { signal }) {
      let at = afterRevision;
      for (; ; await wait(LOOK, undefined, { signal })) {
        await script.before('look');
        for (const event of script.events) {
          if (event.revision! <= at) continue;
          at = event.revision!;
          yield { event };
        }
      }
    },
  });
};
