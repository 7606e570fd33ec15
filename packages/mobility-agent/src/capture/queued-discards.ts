import { type BlockSet, createSparseBlockSet, type Extent } from '@holdfast/block';

/** Discards whose end has not been seen for so long (ns) are given up: one of them never became a request. */
const LIFETIME = 60e9;
/** Ranges remembered at most. */
const LIMIT = 100_000;

/**
 * The discards under way to a disk that takes several ranges in one. The kernel tells each range when it is queued and of a request that
 * ended only the length of all its ranges. So none is known to be over before as much has ended as was queued; then all are. That is soon,
 * and until then nothing is lost by waiting: nobody can expect anything of a range from the moment it is to be discarded.
 */
export interface QueuedDiscards {
  /** True while one may be under way. */
  readonly pending: boolean;
  queued(extent: Extent, time: number): void;
  /** What is there now was written after the discard that was queued before, whose end may not have been told apart. */
  written(offset: number, length: number): void;
  /** `length` bytes ended. Tells what is over by that, if anything. */
  ended(length: number, success: boolean): EndedDiscards | undefined;
  /** Takes out what has been waiting for too long; `undefined` if there is nothing. */
  giveUp(time: number): EndedDiscards | undefined;
}

export interface EndedDiscards {
  readonly extents: readonly Extent[];
  /** All of them were discarded. */
  readonly success: boolean;
  /** True for blocks that were written since. */
  isWritten(block: number): boolean;
}

class Queued implements QueuedDiscards {
  readonly #size: () => number;
  #extents: Extent[] = [];
  #written: BlockSet | undefined;
  /** Bytes queued and not ended. */
  #outstanding = 0;
  #success = true;
  #newest = 0;

  constructor(size: () => number) {
    this.#size = size;
  }

  get pending(): boolean {
    return this.#extents.length > 0;
  }

  queued(extent: Extent, time: number): void {
    this.#extents.push(extent);
    this.#outstanding += extent.length;
    this.#newest = time;
  }

  written(offset: number, length: number): void {
    if (this.#extents.length === 0) return;
    this.#written ??= createSparseBlockSet(this.#size());
    this.#written.addBytes(offset, length);
  }

  ended(length: number, success: boolean): EndedDiscards | undefined {
    // Those queued before anybody looked are not among them.
    if (this.#extents.length === 0) return undefined;
    this.#outstanding -= length;
    this.#success &&= success;
    return this.#outstanding > 0 ? undefined : this.#takeAll(this.#success);
  }

  giveUp(time: number): EndedDiscards | undefined {
    if (this.#extents.length === 0 || (time - this.#newest < LIFETIME && this.#extents.length < LIMIT)) return undefined;
    return this.#takeAll(false);
  }

  #takeAll(success: boolean): EndedDiscards {
    const extents = this.#extents;
    const written = this.#written;
    this.#extents = [];
    this.#written = undefined;
    this.#outstanding = 0;
    this.#success = true;
    return { extents, success, isWritten: (block) => written?.has(block) === true };
  }
}

/** `size`: bytes of the disk now. */
export const createQueuedDiscards = (size: () => number): QueuedDiscards => new Queued(size);
