import { randomBytes, X509Certificate } from 'node:crypto';
import { createSecureServer, type Http2SecureServer, type Http2ServerRequest } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type ContextValues, createContextKey, createContextValues, type HandlerContext } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import {
  type AgentHello,
  type AgentReport,
  type ConnectAgentResponseSchema,
  type ConnectServerResponseSchema,
  ControlService,
  connectError,
  EnrolmentService,
  type EnrolRequest,
  type HardwareIdentity as HardwareMessage,
  newId,
  type Peer,
  peerOfSocket,
  readPeer,
  roleOfMessage,
  type ServerHello,
  type ServerReport,
  serverTlsOptions,
} from '@holdfast/protocol';
import { createTestAuthority, type TestAuthority } from '@holdfast/protocol/conformance';
import { sameHardware } from '../membership/same-hardware.ts';
import type { Address } from '../settings/kinds.ts';
import { createTestRoom, type TestRoom, type Visitor } from './test-room.ts';

/** What an enrolment made. */
export interface TestMember {
  readonly id: string;
  readonly incarnation: number;
  readonly request: EnrolRequest;
}

/** A small configuration server in the process of a test: real TLS, real certificates, real streams; what it says is told by the test. */
export interface TestSite {
  readonly authority: TestAuthority;
  readonly address: Address;
  readonly fingerprint: string;
  /** A new one-time token. */
  createToken(): string;
  readonly members: readonly TestMember[];
  readonly agents: TestRoom<MessageInitShape<typeof ConnectAgentResponseSchema>, AgentHello, AgentReport>;
  readonly servers: TestRoom<MessageInitShape<typeof ConnectServerResponseSchema>, ServerHello, ServerReport>;
  /** Milliseconds a certificate lives from now on. Default: an hour. */
  lifetime: number;
  /** Renewals that went well. */
  readonly renewals: number;
  /** Calls of this member fail with CERTIFICATE_REVOKED from now on, and its live streams end with it. */
  revoke(id: string): void;
  /** Cuts all connections and answers nobody until `start`. */
  stop(): Promise<void>;
  /** Listens again, on the same port. */
  start(): Promise<void>;
  close(): Promise<void>;
}

const CALLER = createContextKey<Peer | HoldfastError | undefined>(undefined);

const refusal = (code: 'CERTIFICATE_UNTRUSTED' | 'CERTIFICATE_REVOKED' | 'TOKEN_UNKNOWN' | 'TOKEN_USED' | 'AGENT_CLONED', why: string) =>
  new HoldfastError(code, { thing: 'test site', why, remedy: 'enrol with a new token' });

const gone = (): HoldfastError =>
  new HoldfastError('CONNECTION_LOST', { thing: 'test site', why: 'it was stopped', remedy: 'wait until it is started again' });

/** Who calls, told by the connection; a certificate that does not please is kept as the error to answer with. */
const callerOf = (request: Http2ServerRequest): ContextValues => {
  const values = createContextValues();
  try {
    return values.set(CALLER, peerOfSocket(request.stream.session!.socket as TLSSocket));
  } catch (reason) {
    if (isHoldfastError(reason)) return values.set(CALLER, reason);
    throw reason;
  }
};

async function* named<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (reason) {
    throw connectError(reason);
  }
}

interface Member extends TestMember {
  /** Serial numbers of its certificates that count. */
  readonly serials: Set<string>;
}

/** Opens one on a free port of 127.0.0.1. */
export const openTestSite = async (): Promise<TestSite> => {
  const authority = await createTestAuthority();
  const own = await authority.issue({ role: 'configuration-server', id: newId() });
  const tokens = new Map<string, 'fresh' | 'used'>();
  const members = new Map<string, Member>();
  const agents = createTestRoom<MessageInitShape<typeof ConnectAgentResponseSchema>, AgentHello, AgentReport>();
  const servers = createTestRoom<MessageInitShape<typeof ConnectServerResponseSchema>, ServerHello, ServerReport>();
  /** Plain ones: a connection may be cut before it is a session. */
  const connections = new Set<Socket>();
  let lifetime = 3_600_000;
  let renewals = 0;
  let server: Http2SecureServer | undefined;
  let port = 0;

  const certify = async (request: Uint8Array, identity: Peer['identity'], { serials }: Member) => {
    const notBefore = new Date();
    const leaf = await authority.certify(request, identity, { notBefore, notAfter: new Date(notBefore.getTime() + lifetime) });
    serials.add(readPeer(leaf).serial);
    return { certificateChain: [leaf], trustedAuthorities: [new Uint8Array(new X509Certificate(authority.certificate).raw)] };
  };

  const memberOf = ({ values }: HandlerContext, hardware?: HardwareMessage) => {
    const caller = values.get(CALLER);
    if (caller === undefined) throw refusal('CERTIFICATE_UNTRUSTED', 'no certificate was shown');
    if (isHoldfastError(caller)) throw caller;
    const member = members.get(caller.identity.id);
    if (member?.serials.has(caller.serial) !== true) throw refusal('CERTIFICATE_REVOKED', 'it was removed, or enrolled anew');
    const known = member.request.hardware;
    if (hardware !== undefined && known !== undefined && !sameHardware(known, hardware))
      throw refusal('AGENT_CLONED', 'the identity was given to a machine with other hardware');
    return { member, peer: caller };
  };

  const visitorOf = (context: HandlerContext): Visitor => {
    const { identity, serial } = memberOf(context).peer;
    return { id: identity.id, serial, signal: context.signal };
  };

  const endStreams = (id: string): void => {
    for (const stream of [...agents.live, ...servers.live])
      if (stream.id === id) stream.fail(refusal('CERTIFICATE_REVOKED', 'it was removed, or enrolled anew'));
  };

  const useToken = (token: string): void => {
    const state = tokens.get(token);
    if (state === undefined) throw refusal('TOKEN_UNKNOWN', 'nobody made this token');
    if (state === 'used') throw refusal('TOKEN_USED', 'this token was used before');
    tokens.set(token, 'used');
  };

  const enrol = async (request: EnrolRequest) => {
    useToken(request.token);
    const role = roleOfMessage(request.role);
    const known = [...members.values()].find(
      (member) => member.request.role === request.role && sameHardware(member.request.hardware!, request.hardware!),
    );
    const id = known?.id ?? newId();
    const member: Member = { id, incarnation: (known?.incarnation ?? 0) + 1, request, serials: new Set() };
    members.set(id, member);
    endStreams(id);
    return { id, incarnation: BigInt(member.incarnation), ...(await certify(request.certificateRequest, { role, id }, member)) };
  };

  const handler = connectNodeAdapter({
    contextValues: (request) => callerOf(request as Http2ServerRequest),
    interceptors: [
      (next) => (request) =>
        next(request).catch((reason: unknown) => {
          throw connectError(reason);
        }),
    ],
    routes: (router) =>
      router
        .service(EnrolmentService, {
          enrol,
          async renew(request, context) {
            const { member, peer } = memberOf(context, request.hardware);
            const answer = await certify(request.certificateRequest, peer.identity, member);
            renewals++;
            return answer;
          },
        })
        .service(ControlService, {
          connectAgent: async function* (requests, context) {
            yield* named(agents.serve(requests, visitorOf(context)));
          },
          connectServer: async function* (requests, context) {
            yield* named(servers.serve(requests, visitorOf(context)));
          },
        }),
  });

  const start = async (): Promise<void> => {
    const tls = { ...serverTlsOptions(own), cert: `${own.certificateChain}\n${authority.certificate}` };
    server = createSecureServer(tls, handler);
    server.on('connection', (socket: Socket) => {
      connections.add(socket);
      socket.once('close', () => connections.delete(socket));
    });
    server.on('session', (session) => session.on('error', () => undefined));
    const listening = server;
    await new Promise<void>((resolve, reject) => {
      listening.once('error', reject);
      listening.listen(port, '127.0.0.1', resolve);
    });
    port = (listening.address() as AddressInfo).port;
  };

  const stop = async (): Promise<void> => {
    const listening = server;
    server = undefined;
    if (listening === undefined) return;
    const closed = new Promise<void>((resolve) => listening.close(() => resolve()));
    for (const connection of connections) connection.destroy();
    // Their connections are gone, which they hear of a moment later only.
    for (const stream of [...agents.live, ...servers.live]) stream.fail(gone());
    await closed;
  };

  await start();
  return {
    authority,
    address: { host: '127.0.0.1', port },
    fingerprint: authority.fingerprint,
    agents,
    servers,
    start,
    stop,
    close: stop,
    createToken() {
      const token = randomBytes(32).toString('base64url');
      tokens.set(token, 'fresh');
      return token;
    },
    get members() {
      return [...members.values()];
    },
    get lifetime() {
      return lifetime;
    },
    set lifetime(milliseconds) {
      lifetime = milliseconds;
    },
    get renewals() {
      return renewals;
    },
    revoke(id) {
      members.get(id)!.serials.clear();
      endStreams(id);
    },
  };
};
