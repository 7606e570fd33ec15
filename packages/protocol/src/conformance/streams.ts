import { create } from '@bufbuild/protobuf';
import {
  type ReplicateRequest,
  ReplicateRequestSchema,
  type ReplicateResponse,
  ReplicateResponseSchema,
} from '../gen/holdfast/v1/replication_pb.ts';
import type { ReplicationCall } from '../grpc/replication.ts';

/** A smallest request. */
export const openMessage = (): ReplicateRequest =>
  create(ReplicateRequestSchema, { message: { case: 'open', value: { protocolVersion: 1 } } });

/** A smallest response. */
export const creditMessage = (bytes: bigint): ReplicateResponse =>
  create(ReplicateResponseSchema, { message: { case: 'credit', value: { bytes } } });

/** All that comes, and the error at the end where there is one. */
export const collect = async <T>(stream: AsyncIterable<T>): Promise<{ messages: T[]; error?: unknown }> => {
  const messages: T[] = [];
  try {
    for await (const message of stream) messages.push(message);
    return { messages };
  } catch (error) {
    return { messages, error };
  }
};

/** The reason a signal is aborted with. */
export const aborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
  });

/** Waits until a number stays the same for half a second. */
export const stillness = async (read: () => number): Promise<void> => {
  for (let before = -1; before !== read(); ) {
    before = read();
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
};

/** A `serve` that hands the first call out and lasts until `result` settles. */
export const holdCalls = () => {
  const arrived = Promise.withResolvers<ReplicationCall>();
  const result = Promise.withResolvers<void>();
  const serve = (call: ReplicationCall): Promise<void> => {
    arrived.resolve(call);
    return result.promise;
  };
  return { serve, call: arrived.promise, result };
};
