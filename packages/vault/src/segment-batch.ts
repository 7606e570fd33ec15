import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { FrameExtent } from '@holdfast/block';
import { type CutPartSchema, type SegmentRecords, SegmentRecordsSchema } from '@holdfast/protocol';
import { FRAME_COUNT_LIMIT } from './object-header.ts';
import type { ObjectContent } from './sealed-object.ts';
import { encodeSegmentIndex } from './segment-index.ts';

const RECORD_LIMIT = 4096;
/** What a record and a frame take besides their content, roughly. */
const OVERHEAD = 64;

type CutPartInit = MessageInitShape<typeof CutPartSchema>;

/** A part of a cut while it is filled. */
export interface OpenPart {
  readonly cutId: Uint8Array<ArrayBuffer>;
  readonly part: number;
  last: boolean;
  readonly cut?: NonNullable<CutPartInit['cut']>;
  readonly epochs: { epoch: number; first: bigint; count: number }[];
}

/** What becomes one segment: parts of cuts with their frames, not sealed yet, so that it can be sealed again for another slot. */
export class SegmentBatch {
  readonly #parts: OpenPart[] = [];
  readonly #frames: { readonly bytes: Uint8Array; readonly extents: readonly FrameExtent[] }[] = [];
  readonly #targetSize: number;
  #size = 0;

  constructor(targetSize: number) {
    this.#targetSize = targetSize;
  }

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  get isFull(): boolean {
    return this.#size >= this.#targetSize || this.#frames.length >= FRAME_COUNT_LIMIT || this.#parts.length >= RECORD_LIMIT;
  }

  /** Begins a part; its frames follow. `cutSize` is the size of the cut's message where the part carries it. */
  begin(part: OpenPart, cutSize: number): void {
    this.#parts.push(part);
    this.#size += cutSize + OVERHEAD;
  }

  /** Adds a frame of epoch `epoch` (number `number` within it) to the part begun last. */
  add(epoch: number, number: number, bytes: Uint8Array, extents: readonly FrameExtent[]): void {
    const { epochs } = this.#parts.at(-1)!;
    const run = epochs.at(-1);
    if (run?.epoch === epoch) run.count += 1;
    else epochs.push({ epoch, first: BigInt(number), count: 1 });
    this.#frames.push({ bytes, extents });
    this.#size += bytes.length + extents.length * 16 + OVERHEAD;
  }

  /** Takes the part begun last out again, with its frames. */
  withdraw(): void {
    const { epochs } = this.#parts.pop()!;
    this.#frames.length -= epochs.reduce((sum, { count }) => sum + count, 0);
  }

  get frameCount(): number {
    return this.#frames.length;
  }

  /** The records that are sealed. */
  records(term: number, now: number): SegmentRecords {
    return create(SegmentRecordsSchema, {
      term: BigInt(term),
      sealedUnixMillis: BigInt(now),
      records: this.#parts.map((value) => ({ record: { case: 'cut' as const, value } })),
    });
  }

  /** What is sealed, with these records. */
  content(records: SegmentRecords): ObjectContent {
    return {
      records: toBinary(SegmentRecordsSchema, records),
      index: encodeSegmentIndex(this.#frames),
      frames: this.#frames.map(({ bytes }) => bytes),
    };
  }
}
