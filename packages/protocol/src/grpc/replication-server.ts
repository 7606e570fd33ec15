import type { Metadata, ServerDuplexStream, UntypedHandleCall } from '@grpc/grpc-js';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { type Peer, readPeer } from '../identity/peer.ts';
import { serverCodec } from './codec.ts';
import { createDuplexStream } from './duplex-stream.ts';
import { statusOf } from './grpc-status.ts';
import { COMMON_OPTIONS, KEEPALIVE, libraryKeepalive, REPLICATE } from './method.ts';
import { setReceiveWindow } from './receive-window.ts';
import type { ReplicationCall, ReplicationServer, ReplicationServerOptions } from './replication.ts';
import { listenSecurely, type SecureConnections } from './secure-connections.ts';
import { askForSigns } from './signs-of-life.ts';

type Call = ServerDuplexStream<Buffer, Buffer>;

/** Milliseconds a peer has to take the last words of a call before its connection is cut. */
const FAREWELL = 1000;

/** An agent has one stream for each direction, and for a moment one that is ending. */
const STREAMS_PER_CONNECTION = 8;

const stopping = (): HoldfastError =>
  new HoldfastError('CONNECTION_LOST', {
    thing: 'the replication stream',
    why: 'the server stops',
    remedy: 'connect again, or to another server',
  });

const gone = (peer: Peer): HoldfastError =>
  new HoldfastError('CONNECTION_LOST', {
    thing: `the replication stream of ${peer.identity.role} ${peer.identity.id}`,
    why: 'the other side went away',
    remedy: 'wait for it to connect again',
  });

/** The peer of a call, checked; throws why it may not come in. The certificate is taken from the stream's own connection. */
const admitCall = (call: Call, connections: SecureConnections, { roles, admit }: ReplicationServerOptions): Peer => {
  const certificate = call.getAuthContext().sslPeerCertificate?.raw;
  if (certificate === undefined) {
    const visitor = connections.visitor(call.getPeer());
    if (visitor !== undefined && 'refusal' in visitor) throw visitor.refusal;
    throw new HoldfastError('CERTIFICATE_UNTRUSTED', {
      thing: `client ${call.getPeer()}`,
      why: 'it is gone already',
      remedy: 'connect again',
    });
  }
  const peer = readPeer(certificate);
  const thing = `${peer.identity.role} ${peer.identity.id}`;
  if (peer.notAfter <= Date.now())
    throw new HoldfastError('CERTIFICATE_EXPIRED', { thing, why: 'its certificate has expired', remedy: 'connect with the renewed one' });
  if (!roles.includes(peer.identity.role))
    throw new HoldfastError('IDENTITY_MISMATCH', {
      thing,
      why: `only ${roles.join(' and ')} may open this stream`,
      remedy: 'connect to another service',
    });
  admit(peer);
  return peer;
};

/** Starts a server of the replication service. Rejects with ADDRESS_IN_USE when the place is taken. */
export const createReplicationServer = async (options: ReplicationServerOptions): Promise<ReplicationServer> => {
  const grpc = await import('@grpc/grpc-js');
  const { keepalive = KEEPALIVE } = options;
  const own = { ...COMMON_OPTIONS, 'grpc.max_concurrent_streams': STREAMS_PER_CONNECTION };
  let server = new grpc.Server(own);
  if (!setReceiveWindow(server, options.receiveWindow, (session) => askForSigns(session, keepalive))) {
    server = new grpc.Server({ ...own, ...libraryKeepalive(keepalive) });
    options.onProblem(
      new HoldfastError('UNSUPPORTED_OPERATION', {
        thing: 'the receive window',
        why: 'the gRPC library has no way to set it any more: replication over a distance will be slow (64 KiB a round trip)',
        remedy: 'report this defect',
      }),
    );
  }

  const calls = new Set<ReplicationCall>();
  let open = true;

  const tellStatus = (call: Call, error: HoldfastError): void => {
    // What `emit('error')` does in the library: the status is sent behind what was written.
    call.emit('error', statusOf(error, new grpc.Metadata() as Metadata));
  };

  const serve = async (call: Call, peer: Peer): Promise<void> => {
    const { stream, control } = createDuplexStream({ call, codec: serverCodec, abort: (error) => tellStatus(call, error) });
    // The library says so at the end of every call, not only of one that the client left.
    call.on('cancelled', () => control.finish(control.ended ? null : gone(peer)));
    call.on('end', () => {
      // A client that is gone looks like one that has sent all. Having headers sent again does nothing but make the library look whether
      // the stream is still there; when it is not, it says `cancelled` before the next turn of the loop.
      call.sendMetadata(new grpc.Metadata());
      setImmediate(control.noMore);
    });
    call.sendMetadata(new grpc.Metadata());
    const replication: ReplicationCall = { ...stream, peer };
    calls.add(replication);
    try {
      await options.serve(replication);
      stream.end();
    } catch (reason) {
      const error = fromSystem(reason, `${peer.identity.role} ${peer.identity.id}`, 'INTERNAL');
      options.onProblem(error);
      stream.abort(error);
    }
    calls.delete(replication);
  };

  const handle = (call: Call): void => {
    // Without a listener an error of a call that is over would end the process.
    call.on('error', () => undefined);
    try {
      if (!open) throw stopping();
      void serve(call, admitCall(call, connections, options));
    } catch (reason) {
      const error = fromSystem(reason, `client ${call.getPeer()}`, 'INTERNAL');
      options.onProblem(error);
      tellStatus(call, error);
    }
  };

  server.addService({ replicate: REPLICATE }, { replicate: handle as UntypedHandleCall });
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  const connections = await listenSecurely({ ...options, accept: (socket) => injector.injectConnection(socket) });

  /** Clients close their connection when they have read why their call ended; what is left then is cut. */
  const disconnect = async (match: (peer: Peer) => boolean, error: HoldfastError): Promise<void> => {
    for (const call of calls) if (match(call.peer)) call.abort(error);
    await connections.drain(match, FAREWELL);
  };

  return {
    port: connections.port,
    get calls() {
      return calls.size;
    },
    get connections() {
      return connections.size;
    },
    disconnect,
    refreshCredentials: connections.refreshCredentials,
    async close() {
      open = false;
      connections.stopListening();
      await disconnect(() => true, stopping());
      await connections.close();
      server.forceShutdown();
    },
  };
};
