import { BLOCK_SIZE, DIGEST_SIZE, digestBlock, type Frame } from '@holdfast/block';
import { damaged } from './damage.ts';

/** The data of a frame, decoded. Digests are looked at when a block is first asked for: who wants 4 KiB need not pay for 256. */
export class VerifiedData {
  readonly #data: Uint8Array;
  readonly #digests: Uint8Array;
  /** Of each data extent, then of the end: where its data begins, and which digest is its first. */
  readonly #starts: number[] = [];
  readonly #firsts: number[] = [];
  readonly #offsets: number[] = [];
  readonly #seen: Uint8Array;

  /** `verified`: all digests were compared already. */
  constructor(
    { extents, digests }: Pick<Frame, 'extents' | 'digests'>,
    data: Uint8Array,
    { verified = false }: { readonly verified?: boolean } = {},
  ) {
    this.#data = data;
    // A copy: what they are part of is larger.
    this.#digests = Uint8Array.from(digests);
    let at = 0;
    let block = 0;
    for (const { offset, length, kind } of extents) {
      if (kind !== 'data') continue;
      this.#starts.push(at);
      this.#firsts.push(block);
      this.#offsets.push(offset);
      at += length;
      block += Math.ceil(length / BLOCK_SIZE);
    }
    this.#starts.push(at);
    this.#seen = new Uint8Array(block).fill(verified ? 1 : 0);
  }

  /** Bytes it takes in memory, roughly. */
  get size(): number {
    return this.#data.length + this.#digests.length;
  }

  /** The bytes `from` to `to` of the data, each block of them found whole. Errors: DAMAGED. */
  slice(from: number, to: number): Uint8Array {
    for (let at = from; at < to; ) at = this.#verifyBlockAt(at);
    return this.#data.subarray(from, to);
  }

  /** Where on the disk the byte at this position of the data belongs. */
  offsetAt(position: number): number {
    const extent = this.#extentAt(position);
    return this.#offsets[extent]! + position - this.#starts[extent]!;
  }

  /** Bytes of the data. */
  get length(): number {
    return this.#data.length;
  }

  /**
   * The whole blocks that hold the bytes `from` to `to` of the data, all of one extent, with their digests. They are not compared: who copies both
   * compares the copy.
   */
  blocks(from: number, to: number): { readonly start: number; readonly data: Uint8Array; readonly digests: Uint8Array } {
    const extent = this.#extentAt(from);
    const extentStart = this.#starts[extent]!;
    const first = Math.floor((from - extentStart) / BLOCK_SIZE);
    const end = Math.ceil((to - extentStart) / BLOCK_SIZE);
    const start = extentStart + first * BLOCK_SIZE;
    const data = this.#data.subarray(start, Math.min(extentStart + end * BLOCK_SIZE, this.#starts[extent + 1]!));
    const digestAt = this.#firsts[extent]!;
    return { start, data, digests: this.#digests.subarray((digestAt + first) * DIGEST_SIZE, (digestAt + end) * DIGEST_SIZE) };
  }

  /** Checks the block that holds the byte; says where the next one begins. */
  #verifyBlockAt(position: number): number {
    const extent = this.#extentAt(position);
    const number = Math.floor((position - this.#starts[extent]!) / BLOCK_SIZE);
    const start = this.#starts[extent]! + number * BLOCK_SIZE;
    const end = Math.min(start + BLOCK_SIZE, this.#starts[extent + 1]!);
    const block = this.#firsts[extent]! + number;
    if (this.#seen[block] === 1) return end;
    digestBlock(this.#data.subarray(start, end), scratch);
    if (scratch.compare(this.#digests, block * DIGEST_SIZE, (block + 1) * DIGEST_SIZE) !== 0)
      throw damaged('frame', `the block at byte ${this.#offsets[extent]! + number * BLOCK_SIZE} of the disk fails its digest`);
    this.#seen[block] = 1;
    return end;
  }

  /** The last data extent that begins at or before the position. */
  #extentAt(position: number): number {
    let low = 0;
    let high = this.#starts.length - 2;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#starts[middle]! <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

const scratch = Buffer.alloc(DIGEST_SIZE);
