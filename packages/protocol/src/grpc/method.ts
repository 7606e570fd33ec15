import type { MethodDefinition } from '@grpc/grpc-js';
import { ReplicationService } from '../gen/holdfast/v1/replication_pb.ts';
import type { Keepalive } from './signs-of-life.ts';

const same = (bytes: Buffer): Buffer => bytes;

/**
 * The one method of the service as the library takes it. Messages stay bytes there: they are encoded and decoded by `codec.ts`, so that
 * what is wrong with one becomes an error of ours on the side that sees it.
 */
export const REPLICATE: MethodDefinition<Buffer, Buffer> = {
  path: `/${ReplicationService.typeName}/${ReplicationService.method.replicate.name}`,
  requestStream: true,
  responseStream: true,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};

/** When a silent side counts as gone, unless told otherwise. */
export const KEEPALIVE: Keepalive = { interval: 20_000, answer: 10_000 };

/** What both sides tell the library. */
export const COMMON_OPTIONS = {
  // The exact limit is checked in codec.ts, where it can be named; what is far above it is refused before it is read.
  'grpc.max_receive_message_length': 8 * 1024 * 1024,
  'grpc.max_send_message_length': -1,
  'grpc.enable_channelz': 0,
} as const;

/** How the library asks for signs of life by itself. */
export const libraryKeepalive = ({ interval, answer }: Keepalive) => ({
  'grpc.keepalive_time_ms': interval,
  'grpc.keepalive_timeout_ms': answer,
});
