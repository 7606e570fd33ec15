import { toBinary } from '@bufbuild/protobuf';
import { BLOCK_SIZE, createContentDigest, type FrameExtent, parseFrame } from '@holdfast/block';
import { type CutContent, CutSchema, type Epoch, idText } from '@holdfast/protocol';
import { damaged } from './damage.ts';
import { violation } from './lineage.ts';
import type { OpenPart, SegmentBatch } from './segment-batch.ts';

/** No frame that keeps the limits of docs/format.md, "Frame", is larger. */
const FRAME_SIZE_LIMIT = 1024 * 1024;
const CUT_SIZE_LIMIT = 4 * 1024 * 1024;

/** Reads the frames of one cut, checks them, and fills segments with them: as many as it takes. */
export class CutReader {
  readonly #content: CutContent;
  readonly #size: number;
  #part = 0;
  #isBegun = false;
  #epoch = 0;
  #frame = 0;
  #digest = createContentDigest();
  #frames: AsyncIterator<Uint8Array> | undefined;

  constructor(content: CutContent) {
    this.#content = content;
    this.#size = toBinary(CutSchema, content.cut).length;
  }

  /** Whoever gives the frames has checked them. */
  get #isVerified(): boolean {
    return this.#content.verified === true;
  }

  /** True before the first part. */
  get isUntouched(): boolean {
    return this.#part === 0 && !this.#isBegun;
  }

  /**
   * Adds a part of the cut to the batch: until the batch is full or the cut is done; true when it is done. Errors: DAMAGED, PROTOCOL_VIOLATION and
   * whatever the source of the frames throws; the part is in the batch then and has to be withdrawn.
   */
  async fill(batch: SegmentBatch): Promise<boolean> {
    this.#isBegun = true;
    const { cut } = this.#content;
    const first = this.#part === 0;
    const part: OpenPart = { cutId: Uint8Array.from(cut.id), part: this.#part, last: false, epochs: [], ...(first && { cut }) };
    batch.begin(part, first ? this.#size : 0);
    if (this.#size > CUT_SIZE_LIMIT) throw violation(`cut ${idText(cut.id)}`, `it takes ${this.#size} bytes without its frames`);
    this.#part += 1;
    while (this.#epoch < cut.epochs.length) {
      const epoch = cut.epochs[this.#epoch]!;
      if (this.#frame === Number(epoch.frameCount)) await this.#finishEpoch(epoch);
      else if (batch.isFull) return false;
      else await this.#addFrame(batch, epoch);
    }
    part.last = true;
    return true;
  }

  /** Lets go of the source. */
  async close(): Promise<void> {
    await this.#frames?.return?.();
  }

  #next(): Promise<IteratorResult<Uint8Array>> {
    this.#frames ??= this.#content.frames(this.#epoch)[Symbol.asyncIterator]();
    return this.#frames.next();
  }

  async #addFrame(batch: SegmentBatch, epoch: Epoch): Promise<void> {
    const { done, value: bytes } = await this.#next();
    if (done === true) throw damaged(nameOf(epoch), `it has ${this.#frame} frames and announces ${epoch.frameCount}`);
    if (bytes.length > FRAME_SIZE_LIMIT) throw violation(this.#name(), `it has ${bytes.length} bytes`);
    const { extents } = parseFrame(bytes, { vouched: this.#isVerified });
    this.#checkExtents(extents, Number(epoch.diskSize));
    if (!this.#isVerified) this.#digest.add(bytes);
    batch.add(this.#epoch, this.#frame, bytes, extents);
    this.#frame += 1;
  }

  async #finishEpoch(epoch: Epoch): Promise<void> {
    const { done } = await this.#next();
    if (done !== true) throw damaged(nameOf(epoch), `it has more than the ${epoch.frameCount} frames it announces`);
    if (!this.#isVerified && Buffer.compare(this.#digest.value(), epoch.contentDigest) !== 0)
      throw damaged(nameOf(epoch), 'its frames fail its content digest');
    this.#frames = undefined;
    this.#digest = createContentDigest();
    this.#frame = 0;
    this.#epoch += 1;
  }

  #checkExtents(extents: readonly FrameExtent[], diskSize: number): void {
    for (const { offset, length } of extents) {
      const end = offset + length;
      if (end > diskSize) throw violation(this.#name(), `it reaches to byte ${end} of a disk of ${diskSize}`);
      if (length % BLOCK_SIZE !== 0 && end !== diskSize)
        throw violation(this.#name(), `an extent of it ends inside a block at byte ${end}`);
    }
  }

  #name(): string {
    return `frame ${this.#frame} of ${nameOf(this.#content.cut.epochs[this.#epoch]!)}`;
  }
}

const nameOf = ({ number, diskId }: Epoch): string => `epoch ${number} of disk ${idText(diskId)}`;
