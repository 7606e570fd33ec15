import type { ClientDuplexStream, ServiceError, StatusObject } from '@grpc/grpc-js';
import { HoldfastError } from '@holdfast/errors';
import { clientTlsOptions } from '../identity/tls-options.ts';
import { createTlsChannelCredentials } from './channel-credentials.ts';
import { clientCodec } from './codec.ts';
import { createDuplexStream } from './duplex-stream.ts';
import { scatterFrames } from './frames-payload.ts';
import { errorOfStatus } from './grpc-status.ts';
import { COMMON_OPTIONS, KEEPALIVE, REPLICATE } from './method.ts';
import type { ReplicationClientOptions, ReplicationStream } from './replication.ts';
import { hearSigns, type Keepalive } from './signs-of-life.ts';

const TIMEOUT = 10_000;
/** Milliseconds the library has, once the connection is gone, to tell how the call ended. */
const LAST_WORDS = 2000;

const OPTIONS = {
  // A call is never repeated behind our back; the library would keep what was sent for that.
  'grpc.enable_retries': 0,
  // The connection lives and dies with its stream.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_http_proxy': 0,
} as const;

const late = (thing: string, timeout: number): HoldfastError =>
  new HoldfastError('TIMED_OUT', {
    thing,
    why: `no stream could be opened in ${timeout} ms`,
    remedy: 'check that the server is well, and the network between',
  });

const dropped = (thing: string): HoldfastError =>
  new HoldfastError('CONNECTION_LOST', { thing, why: 'the connection is gone', remedy: 'connect again' });

const silent = (thing: string, { interval, answer }: Keepalive): HoldfastError =>
  new HoldfastError('CONNECTION_LOST', {
    thing,
    why: `nothing came from it for ${(interval + answer) / 1000} s`,
    remedy: 'connect again, or to another server',
  });

/** The call is accepted when the server's first headers are here, before any message. */
const accepted = (call: ClientDuplexStream<Buffer, Buffer>): Promise<void> =>
  new Promise((resolve, reject) => {
    call.once('metadata', () => resolve());
    call.once('error', reject);
  });

/**
 * Opens a replication stream over a connection of its own. Rejects with what is wrong: CONNECTION_LOST or TIMED_OUT where there is no
 * server, CERTIFICATE_UNTRUSTED, CERTIFICATE_EXPIRED or IDENTITY_MISMATCH where it is not the one that is meant, or with what the server
 * says.
 */
export const connectReplication = async (options: ReplicationClientOptions): Promise<ReplicationStream> => {
  const { address, credentials, expect, timeout = TIMEOUT, keepalive = KEEPALIVE } = options;
  const grpc = await import('@grpc/grpc-js');
  const thing = `server ${address}`;
  let handshake: HoldfastError | undefined;
  const over = new AbortController();
  const channel = createTlsChannelCredentials(
    grpc,
    thing,
    () => clientTlsOptions(credentials.current(), expect),
    (error) => {
      handshake ??= error;
    },
    (socket) =>
      hearSigns(socket, keepalive, () => {
        stream.abort(silent(thing, keepalive));
        socket.destroy();
      }),
    () => void setTimeout(() => stream.abort(dropped(thing)), LAST_WORDS).unref(),
    over.signal,
  );
  const client = new grpc.Client(address, channel, { ...COMMON_OPTIONS, ...OPTIONS });
  const call = client.makeBidiStreamRequest(REPLICATE.path, REPLICATE.requestSerialize, REPLICATE.responseDeserialize);
  const { stream, control } = createDuplexStream({ call, codec: clientCodec, abort: () => call.cancel() });
  stream.closed.addEventListener('abort', () => {
    client.close();
    over.abort();
  });
  call.on('end', control.noMore);
  call.on('error', (reason: ServiceError) => control.finish(handshake ?? errorOfStatus(reason, thing)));
  call.on('status', (status: StatusObject) => {
    if (status.code === grpc.status.OK) control.finish(null);
  });

  const timer = setTimeout(() => stream.abort(late(thing, timeout)), timeout);
  try {
    await accepted(call);
  } catch {
    throw stream.closed.reason;
  } finally {
    clearTimeout(timer);
  }
  return {
    ...stream,
    sendFrames: (epochIndex: number, firstFrame: number, frames: readonly Uint8Array[], copied?: () => void) =>
      control.sendBytes(scatterFrames(epochIndex, firstFrame, frames, copied)),
  };
};
