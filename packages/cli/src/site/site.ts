import { type Client, createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport, Http2SessionManager } from '@connectrpc/connect-node';
import {
  AccessTokenService,
  AlertService,
  AuditService,
  AuthorityService,
  BackupService,
  EventService,
  JobService,
  MachineService,
  PlanService,
  PolicyService,
  ProtectionService,
  RecoveryService,
  readPeer,
  requirePeer,
  ServerService,
  SessionService,
  TokenService,
  UserService,
  VaultService,
} from '@holdfast/protocol';
import { formatSeconds } from '../output/format.ts';
import type { Surroundings } from '../surroundings.ts';
import type { Context } from './contexts.ts';
import { nameErrors } from './named-transport.ts';

/** What a configuration server has to offer to people. Calls fail with HoldfastErrors, and end when the command is to end. */
export interface Site {
  readonly server: string;
  /** It answered at least one call. */
  readonly hasAnswered: boolean;
  readonly machines: Client<typeof MachineService>;
  readonly protections: Client<typeof ProtectionService>;
  readonly policies: Client<typeof PolicyService>;
  readonly servers: Client<typeof ServerService>;
  readonly vaults: Client<typeof VaultService>;
  readonly tokens: Client<typeof TokenService>;
  readonly jobs: Client<typeof JobService>;
  readonly events: Client<typeof EventService>;
  readonly sessions: Client<typeof SessionService>;
  readonly users: Client<typeof UserService>;
  readonly accessTokens: Client<typeof AccessTokenService>;
  readonly alerts: Client<typeof AlertService>;
  readonly backups: Client<typeof BackupService>;
  readonly audit: Client<typeof AuditService>;
  readonly authorities: Client<typeof AuthorityService>;
  readonly recoveries: Client<typeof RecoveryService>;
  readonly plans: Client<typeof PlanService>;
  close(): void;
}

/** Milliseconds a call may take. */
const PATIENCE = 30_000;
/** A dead link is noticed after both, in milliseconds. */
const PING = { pingIntervalMs: 10_000, pingTimeoutMs: 5_000 };
/** Bytes of the largest answer: a page of 500 machines with all their disks has far fewer. */
const LARGEST_ANSWER = 64 * 1024 * 1024;
/** Milliseconds by which clocks may differ before somebody is told: times in lists would mislead. */
const CLOCK_TOLERANCE = 60_000;

/** Nothing is sent before the first call; then HTTP/2 with JSON, to a server that shows a certificate of the context's authority. */
export const openSite = ({ server, authority, token }: Omit<Context, 'name' | 'fingerprint'>, surroundings: Surroundings): Site => {
  const thing = `configuration server ${server}`;
  const sessions = new Http2SessionManager(server, PING, {
    ca: authority,
    minVersion: 'TLSv1.3',
    // Its host name does not matter: the authority gives this role to one server only.
    checkServerIdentity: (_host, { raw }) => {
      try {
        requirePeer(readPeer(raw), { role: 'configuration-server' }, thing);
        return undefined;
      } catch (error) {
        return error as Error;
      }
    },
  });
  let hasAnswered = false;
  const note: Interceptor = (next) => async (request) => {
    const response = await next(request);
    hasAnswered = true;
    return response;
  };
  const transport = nameErrors(
    createConnectTransport({
      baseUrl: server,
      httpVersion: '2',
      sessionManager: sessions,
      useBinaryFormat: false,
      readMaxBytes: LARGEST_ANSWER,
      interceptors: [bear(token), compareClocks(surroundings), note],
    }),
    { thing, stop: surroundings.stop, patience: PATIENCE },
  );
  return {
    server,
    get hasAnswered() {
      return hasAnswered;
    },
    machines: createClient(MachineService, transport),
    protections: createClient(ProtectionService, transport),
    policies: createClient(PolicyService, transport),
    servers: createClient(ServerService, transport),
    vaults: createClient(VaultService, transport),
    tokens: createClient(TokenService, transport),
    jobs: createClient(JobService, transport),
    events: createClient(EventService, transport),
    sessions: createClient(SessionService, transport),
    users: createClient(UserService, transport),
    accessTokens: createClient(AccessTokenService, transport),
    alerts: createClient(AlertService, transport),
    backups: createClient(BackupService, transport),
    audit: createClient(AuditService, transport),
    authorities: createClient(AuthorityService, transport),
    recoveries: createClient(RecoveryService, transport),
    plans: createClient(PlanService, transport),
    // Not in the turn in which a session is being destroyed: the library stops listening to it, and its last words would end the process.
    close: () => void setImmediate(() => sessions.abort()),
  };
};

const bear =
  (token: string): Interceptor =>
  (next) =>
  (request) => {
    // There is none yet while somebody signs in.
    if (token !== '') request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };

/** Tells once when the clocks of both sides are far apart. */
const compareClocks = ({ now, stderr }: Surroundings): Interceptor => {
  let told = false;
  return (next) => async (request) => {
    const response = await next(request);
    const ahead = now() - Date.parse(response.header.get('date') ?? '');
    if (!told && Math.abs(ahead) > CLOCK_TOLERANCE) {
      told = true;
      const words = `${formatSeconds(Math.abs(ahead) / 1000)} ${ahead > 0 ? 'ahead of' : 'behind'}`;
      stderr.write(`The clock here is ${words} that of the configuration server: ages are told by the clock here.\n`);
    }
    return response;
  };
};
