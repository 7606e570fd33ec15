import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { Code, ConnectError, type ConnectRouter, createConnectRouter, createContextKey, createContextValues } from '@connectrpc/connect';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import type { Log } from '@holdfast/daemon';
import { connectError, EnrolmentService, type Grace } from '@holdfast/protocol';
import type { Notifier } from '../state/notifier.ts';
import { accessTo, requireAccess } from './access.ts';
import { createCallPace, retryAfter } from './call-pace.ts';
import { ADDRESS, CALLER } from './caller.ts';
import { endWithAccess } from './end-with-access.ts';
import { type IdentifyOptions, identify } from './identify.ts';
import { nameErrors } from './name-errors.ts';
import { placeOf } from './place-of.ts';
import { requireWhole } from './require-whole.ts';

export interface RpcOptions extends IdentifyOptions {
  readonly routes: (router: ConnectRouter) => void;
  /** For calls that renew a certificate: it may have ended while this server was away. */
  readonly grace: Grace;
  readonly notifier: Notifier;
  readonly log: Log;
  /** Calls a second that one person, tool or member may make, and all of one address. */
  readonly pace: { readonly perPerson: number; readonly perAddress: number };
  /** Aborted when the program stops: calls that are open end then. */
  readonly stopping: AbortSignal;
  /** Told of each call that ended: "EnrolmentService.Enrol", "ok" or a code. */
  readonly onCall: (method: string, outcome: string) => void;
}

/** Bytes of the largest request message. */
const LARGEST_MESSAGE = 4 * 1024 * 1024;
/** Longest time a client may ask for, milliseconds. */
const LONGEST_TIMEOUT = 3_600_000;

const SOCKET = createContextKey<TLSSocket | undefined>(undefined, { description: 'socket' });

/** The connection of a request; of HTTP/2 the real one, not the stand-in that requests show. */
const socketOf = (request: Http2ServerRequest): TLSSocket =>
  (request.httpVersionMajor === 2 ? request.stream.session?.socket : request.socket) as TLSSocket;

/** Answers calls; gives false for requests that are none. */
export type RpcHandler = (request: Http2ServerRequest, response: Http2ServerResponse) => boolean;

/** Calls by Connect, gRPC and gRPC-web. Who calls, and whether they may, is decided before anything of the call is read. */
export const createRpcHandler = ({ routes, grace, notifier, log, stopping, onCall, pace, ...identifying }: RpcOptions): RpcHandler => {
  const ended = new AbortController();
  stopping.addEventListener('abort', () => ended.abort(new ConnectError('the server stops', Code.Unavailable)), { once: true });
  const ofAddress = createCallPace('address', pace.perAddress);
  const ofPerson = createCallPace('caller', pace.perPerson);
  const router = createConnectRouter({
    readMaxBytes: LARGEST_MESSAGE,
    maxTimeoutMs: LONGEST_TIMEOUT,
    shutdownSignal: ended.signal,
    jsonOptions: { ignoreUnknownFields: false },
    interceptors: [nameErrors(log, onCall), endWithAccess({ store: identifying.store, notifier })],
    async requestGate({ values, method, requestHeader }) {
      try {
        const socket = values.get(SOCKET)!;
        values.set(ADDRESS, socket.remoteAddress ?? '');
        ofAddress.require(placeOf(socket.remoteAddress ?? ''));
        // A machine that wants to join again may well show a certificate that counts no more.
        if (accessTo(method) === 'anybody') return;
        const late = method === EnrolmentService.method.renew ? grace : undefined;
        values.set(CALLER, await identify(identifying, socket, requestHeader.get('authorization'), late));
        requireAccess(method, values.get(CALLER));
        const caller = values.get(CALLER);
        if (caller.kind === 'person') ofPerson.require(caller.person.userId ?? caller.person.access.slice(0, 12));
        if (caller.kind === 'member') ofPerson.require(caller.peer.identity.id);
      } catch (reason) {
        const error = connectError(reason);
        const wait = retryAfter(reason);
        if (wait !== undefined) error.metadata.set('retry-after', String(wait));
        onCall(`${method.parent.name}.${method.name}`, String(Code[error.code]));
        throw error;
      }
    },
  });
  routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  return (request, response) => {
    const handler = handlers.get(request.url.split('?', 1)[0]!);
    if (handler === undefined) return false;
    const { methodKind } = handler.method;
    if (request.httpVersionMajor === 2 && methodKind !== 'bidi_streaming' && methodKind !== 'client_streaming') requireWhole(request);
    const answer = async (): Promise<void> => {
      const values = createContextValues().set(SOCKET, socketOf(request));
      const answered = await handler(universalRequestFromNodeRequest(request, response, undefined, values));
      await universalResponseToNodeResponse(answered, response);
    };
    answer().catch((reason: unknown) => {
      // The client is gone, or its request is none; the stream of such a one is of no use to anybody.
      log.debug('A call broke', { method: handler.method.name, error: reason });
      response.stream?.close();
      if (request.httpVersionMajor < 2) request.socket.destroy();
    });
    return true;
  };
};
