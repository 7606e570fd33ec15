import { BLOCK_SIZE, DIGEST_SIZE, type ExtentKind, FRAME_DATA_LIMIT, FRAME_EXTENT_LENGTH_LIMIT, FRAME_EXTENT_LIMIT } from '@holdfast/block';

/** Buffers for the copied data of one frame, seen by all threads, and its digests; recycled from frame to frame. */
export interface FrameRoom {
  readonly data: Uint8Array;
  readonly digests: Uint8Array;
}

/** Bytes of the digests of so many bytes of data that start at a block. */
export const digestLength = (bytes: number): number => Math.ceil(bytes / BLOCK_SIZE) * DIGEST_SIZE;

/** Rooms kept for the next frames of whichever disk: each piece of a copy would make as many anew. */
const SPARE_ROOMS = 17;
const spareRooms: FrameRoom[] = [];

export const takeFrameRoom = (): FrameRoom =>
  spareRooms.pop() ?? {
    data: new Uint8Array(new SharedArrayBuffer(FRAME_DATA_LIMIT)),
    digests: new Uint8Array(digestLength(FRAME_DATA_LIMIT)),
  };

/** Nobody uses it any more. */
export const giveFrameRoom = (room: FrameRoom): void => {
  if (spareRooms.length < SPARE_ROOMS) spareRooms.push(room);
};

interface OpenExtent {
  readonly kind: ExtentKind;
  readonly offset: number;
  length: number;
}

/** The frame being filled: its extents so far, and copies of the small runs of data in it. */
export class OpenFrame {
  readonly room: FrameRoom;
  readonly extents: OpenExtent[] = [];
  dataLength = 0;
  #digestLength = 0;
  #knowsDigests = true;
  #ascending = true;

  constructor(room: FrameRoom) {
    this.room = room;
  }

  get data(): Uint8Array {
    return this.room.data.subarray(0, this.dataLength);
  }

  /** Of all its data, where every part came with them. */
  get digests(): Uint8Array | undefined {
    return this.#knowsDigests ? this.room.digests.subarray(0, this.#digestLength) : undefined;
  }

  /** Bytes of data that still fit, in whole blocks unless the frame is empty. */
  get spare(): number {
    const bytes = FRAME_DATA_LIMIT - this.dataLength;
    return bytes - (bytes % BLOCK_SIZE);
  }

  /** Whether an extent may still join. Extents of one frame must not overlap: within a frame there is no "later wins". */
  accepts(offset: number, length: number): boolean {
    if (this.extents.length >= FRAME_EXTENT_LIMIT) return false;
    const last = this.extents.at(-1);
    if (last === undefined || (this.#ascending && offset >= last.offset + last.length)) return true;
    return this.extents.every((other) => offset >= other.offset + other.length || other.offset >= offset + length);
  }

  append(kind: ExtentKind, offset: number, length: number): void {
    const last = this.extents.at(-1);
    if (last !== undefined && offset < last.offset + last.length) this.#ascending = false;
    const joins = last?.kind === kind && offset === last.offset + last.length && last.length + length <= FRAME_EXTENT_LENGTH_LIMIT;
    if (joins) last.length += length;
    else this.extents.push({ kind, offset, length });
  }

  appendCopy(offset: number, data: Uint8Array, digests: Uint8Array | undefined): void {
    this.append('data', offset, data.length);
    this.room.data.set(data, this.dataLength);
    this.dataLength += data.length;
    if (digests === undefined) this.#knowsDigests = false;
    if (digests === undefined || !this.#knowsDigests) return;
    this.room.digests.set(digests, this.#digestLength);
    this.#digestLength += digests.length;
  }
}
