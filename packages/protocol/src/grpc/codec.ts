import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import {
  type ReplicateRequest,
  ReplicateRequestSchema,
  type ReplicateResponse,
  ReplicateResponseSchema,
} from '../gen/holdfast/v1/replication_pb.ts';
import { encodeFrames } from './frames-payload.ts';

/** Bytes of the largest message either side sends or takes. Frames messages have about 1 MiB. */
export const LARGEST_MESSAGE = 4 * 1024 * 1024;

/** From messages to bytes and back. */
export interface Codec<In, Out> {
  encode(message: Out): Buffer;
  /** Throws PROTOCOL_VIOLATION. The bytes of fields are views of `bytes`. */
  decode(bytes: Buffer): In;
}

const violation = (why: string, cause?: unknown): HoldfastError =>
  new HoldfastError('PROTOCOL_VIOLATION', {
    thing: 'a message of the replication stream',
    why,
    remedy: 'use versions of both sides that fit together',
    ...(cause === undefined ? {} : { cause }),
  });

/** Throws PROTOCOL_VIOLATION for bytes above the limit. */
export const requireSize = (bytes: { readonly length: number }): void => {
  if (bytes.length > LARGEST_MESSAGE) throw violation(`it has ${bytes.length} bytes, more than ${LARGEST_MESSAGE}`);
};

const decode = <D extends DescMessage>(schema: D, bytes: Buffer): MessageShape<D> => {
  requireSize(bytes);
  try {
    return fromBinary(schema, bytes, { readUnknownFields: false });
  } catch (cause) {
    throw violation('it cannot be read', cause);
  }
};

/** A oneof that is not set is a message of a version that knows more kinds than this one. */
const requireKind = <M extends { readonly message: { readonly case?: string | undefined } }>(message: M): M => {
  if (message.message.case === undefined) throw violation('it is of no kind that this version knows');
  return message;
};

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const encodeRequest = (request: ReplicateRequest): Buffer => {
  const { message } = request;
  return message.case === 'frames'
    ? encodeFrames(message.value.epochIndex, Number(message.value.firstFrame), message.value.payload)
    : asBuffer(toBinary(ReplicateRequestSchema, request));
};

/** The agent's side: requests go out, responses come in. */
export const clientCodec: Codec<ReplicateResponse, ReplicateRequest> = {
  encode: encodeRequest,
  decode: (bytes) => requireKind(decode(ReplicateResponseSchema, bytes)),
};

/** The process server's side. */
export const serverCodec: Codec<ReplicateRequest, ReplicateResponse> = {
  encode: (response) => asBuffer(toBinary(ReplicateResponseSchema, response)),
  decode: (bytes) => requireKind(decode(ReplicateRequestSchema, bytes)),
};
