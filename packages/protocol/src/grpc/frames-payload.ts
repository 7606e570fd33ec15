import { HoldfastError } from '@holdfast/errors';

/** Bytes of the length in front of each frame. */
const PREFIX = 4;
/** Tags of `ReplicateRequest.frames` and of the fields of `Frames`: number << 3 | wire type. */
const FRAMES_TAG = (3 << 3) | 2;
const EPOCH_INDEX_TAG = (1 << 3) | 0;
const FIRST_FRAME_TAG = (2 << 3) | 0;
const PAYLOAD_TAG = (3 << 3) | 2;

const violation = (why: string): HoldfastError =>
  new HoldfastError('PROTOCOL_VIOLATION', { thing: 'a message with frames', why, remedy: 'use versions of both sides that fit together' });

const varintSize = (value: number): number => {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size += 1;
  return size;
};

const writeVarint = (target: Uint8Array, offset: number, value: number): number => {
  let at = offset;
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) target[at++] = (rest % 128) | 128;
  target[at++] = rest;
  return at;
};

/** A field of numbers is left out when 0, as protobuf does. */
const numberSize = (value: number): number => (value === 0 ? 0 : 1 + varintSize(value));

const writeNumber = (target: Uint8Array, offset: number, tag: number, value: number): number => {
  if (value === 0) return offset;
  target[offset] = tag;
  return writeVarint(target, offset + 1, value);
};

/** Bytes of the payload that holds `frames`. */
export const payloadSize = (frames: readonly Uint8Array[]): number => frames.reduce((sum, frame) => sum + PREFIX + frame.length, 0);

/** What stands in front of a payload of `length` bytes in a serialized `ReplicateRequest` with `Frames`. */
const encodeHead = (epochIndex: number, firstFrame: number, length: number): Buffer => {
  if (![epochIndex, firstFrame].every((number) => Number.isSafeInteger(number) && number >= 0) || epochIndex > 0xffff_ffff)
    throw violation(`epoch ${epochIndex} and frame ${firstFrame} cannot be numbers of it`);
  const payloadHead = length === 0 ? 0 : 1 + varintSize(length);
  const fields = numberSize(epochIndex) + numberSize(firstFrame) + payloadHead;
  const inner = fields + length;
  const head = Buffer.allocUnsafe(1 + varintSize(inner) + fields);
  head[0] = FRAMES_TAG;
  let at = writeVarint(head, 1, inner);
  at = writeNumber(head, at, EPOCH_INDEX_TAG, epochIndex);
  at = writeNumber(head, at, FIRST_FRAME_TAG, firstFrame);
  if (length > 0) {
    head[at] = PAYLOAD_TAG;
    writeVarint(head, at + 1, length);
  }
  return head;
};

/**
 * A serialized `ReplicateRequest` with `Frames`, byte for byte what protobuf makes of it, but with one copy of the data instead of three.
 */
export const encodeFrames = (epochIndex: number, firstFrame: number, payload: Uint8Array): Buffer => {
  const head = encodeHead(epochIndex, firstFrame, payload.length);
  const bytes = Buffer.allocUnsafe(head.length + payload.length);
  bytes.set(head);
  bytes.set(payload, head.length);
  return bytes;
};

/** A serialized message whose parts lie apart until they are copied to where they are needed together. */
export interface ScatteredMessage {
  /** Bytes of the whole. */
  readonly length: number;
  /** Writes the whole into `target` from `at` on. */
  copy(target: Uint8Array, at: number): void;
}

/** The same of frames that lie apart. `copied` is called when they are needed no longer. */
export const scatterFrames = (
  epochIndex: number,
  firstFrame: number,
  frames: readonly Uint8Array[],
  copied: () => void = () => undefined,
): ScatteredMessage => {
  const length = payloadSize(frames);
  const head = encodeHead(epochIndex, firstFrame, length);
  return {
    length: head.length + length,
    copy(target, at) {
      const bytes = Buffer.from(target.buffer, target.byteOffset, target.byteLength);
      bytes.set(head, at);
      let to = at + head.length;
      for (const frame of frames) {
        to = bytes.writeUInt32LE(frame.length, to);
        bytes.set(frame, to);
        to += frame.length;
      }
      copied();
    },
  };
};

/**
 * The frames of a payload, as views of it: who keeps one for long keeps the whole message, and should copy it. Throws PROTOCOL_VIOLATION
 * when the lengths do not add up, or a frame is empty or larger than `largest` bytes.
 */
export const splitFrames = (payload: Uint8Array, largest: number): Uint8Array[] => {
  const frames: Uint8Array[] = [];
  const lengths = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  for (let at = 0; at < payload.length; ) {
    if (payload.length - at < PREFIX) throw violation('it ends within the length of a frame');
    const length = lengths.getUint32(at, true);
    at += PREFIX;
    if (length === 0 || length > largest) throw violation(`a frame has ${length} bytes where 1 to ${largest} are allowed`);
    if (length > payload.length - at) throw violation('it ends within a frame');
    frames.push(payload.subarray(at, at + length));
    at += length;
  }
  return frames;
};
