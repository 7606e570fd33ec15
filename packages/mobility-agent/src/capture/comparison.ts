import {
  BLOCK_SIZE,
  COARSE_SPAN,
  coarsen,
  DIGEST_SIZE,
  type Extent,
  extentEnd,
  knownDigests,
  sameKnown,
  UNKNOWN_MARK,
} from '@holdfast/block';

/** Digests of what the vault has of a disk, in the state that a copy of it builds on; as docs/protocol.md tells under "Digests". */
export interface BaseDigests {
  /** Of each MiB of a range; fewer where the state ends. Waits for whoever knows; rejects when nobody can tell. */
  coarse(range: Extent, signal: AbortSignal): Promise<DigestsOfState>;
  /** The same of each block. */
  fine(range: Extent, signal: AbortSignal): Promise<DigestsOfState>;
}

export interface DigestsOfState {
  readonly digests: Uint8Array;
  /** Bytes of the disk in that state. */
  readonly size: number;
}

/** Finds what differs between a disk and what the vault has of it, while the disk is read from one end to the other. */
export interface Comparison {
  /**
   * Makes sure that the disk can be compared from `offset` on, for so many bytes at least (or to its end): asks ahead of that. Rejects when it
   * cannot be.
   */
  prepare(offset: number, bytes: number, signal: AbortSignal): Promise<void>;
  /** The parts of these bytes of the disk that may differ; the same block is compared once. */
  differing(offset: number, data: Uint8Array): readonly Extent[];
  /** Looks closer at what may differ since the last call: the parts of it that are the same after all. Waits only so long. */
  settle(signal: AbortSignal): Promise<readonly Extent[]>;
  /** Bytes of the disk that were compared, and those of them that were the same. */
  readonly compared: number;
  readonly same: number;
}

/** Bytes of the disk whose coarse digests are asked for at once. */
const AHEAD = 1024 * COARSE_SPAN;
/** Milliseconds the closer look may take: cuts wait for it. What has not come by then is sent. */
const PATIENCE = 2000;
/** Most bytes a closer look asks for at once. */
const CLOSER = 16 * COARSE_SPAN;

/** Coarse digests from a byte on, on their way. */
interface Asked {
  readonly from: number;
  readonly coarse: Promise<DigestsOfState>;
}

interface Suspect {
  readonly range: { offset: number; length: number };
  readonly digests: Uint8Array[];
}

class DigestComparison implements Comparison {
  readonly #base: BaseDigests;
  readonly #size: number;
  readonly #patience: number;
  /** Coarse digests from `#from` on, and those that were asked for behind them. */
  #from = 0;
  #coarse: Uint8Array = new Uint8Array();
  #known = 0;
  #next: Asked | undefined;
  #suspects: Suspect[] = [];
  compared = 0;
  same = 0;

  constructor(base: BaseDigests, size: number, patience: number) {
    this.#base = base;
    this.#patience = patience;
    this.#size = size;
  }

  async prepare(offset: number, bytes: number, signal: AbortSignal): Promise<void> {
    const start = Math.floor(offset / COARSE_SPAN) * COARSE_SPAN;
    const end = Math.min(this.#size, offset + bytes);
    while (start < this.#from || end > this.#known) {
      const from = start >= this.#from && start < this.#known ? this.#known : start;
      const next = this.#next?.from === from ? this.#next : this.#ask(from, signal);
      this.#next = undefined;
      const coarse = await next.coarse;
      // What lies before `start` is not needed any more.
      const kept = from === this.#known ? this.#coarse.subarray(((start - this.#from) / COARSE_SPAN) * DIGEST_SIZE) : new Uint8Array();
      const known = new Uint8Array(Math.ceil(Math.min(AHEAD, this.#size - from) / COARSE_SPAN) * DIGEST_SIZE).fill(UNKNOWN_MARK);
      known.set(this.#comparable(from, COARSE_SPAN, coarse).subarray(0, known.length));
      this.#coarse = Buffer.concat([kept, known]);
      this.#from = start;
      this.#known = from + (known.length / DIGEST_SIZE) * COARSE_SPAN;
    }
    if (this.#next === undefined && this.#known < this.#size && this.#known - end < AHEAD / 2) this.#next = this.#ask(this.#known, signal);
  }

  differing(offset: number, data: Uint8Array): readonly Extent[] {
    const found: { offset: number; length: number }[] = [];
    for (let at = offset; at < offset + data.length; ) {
      const until = Math.min((Math.floor(at / COARSE_SPAN) + 1) * COARSE_SPAN, offset + data.length);
      const digests = knownDigests(data.subarray(at - offset, until - offset));
      this.compared += until - at;
      if (this.#isSame(at, until, digests)) this.same += until - at;
      else {
        this.#suspect(at, until - at, digests);
        const last = found.at(-1);
        if (last !== undefined && extentEnd(last) === at) last.length += until - at;
        else found.push({ offset: at, length: until - at });
      }
      at = until;
    }
    return found;
  }

  async settle(signal: AbortSignal): Promise<readonly Extent[]> {
    const suspects = this.#suspects;
    this.#suspects = [];
    if (suspects.length === 0) return [];
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(this.#patience)]);
    const found = await Promise.all(
      suspects.map(async ({ range, digests }) => {
        const fine = await this.#base.fine(range, inTime).catch(() => undefined);
        return fine === undefined ? [] : sameBlocks(range, Buffer.concat(digests), this.#comparable(range.offset, BLOCK_SIZE, fine));
      }),
    );
    const same = found.flat();
    this.same += same.reduce((sum, { length }) => sum + length, 0);
    return same;
  }

  /** True when the bytes are a whole MiB, or all up to the end of the disk, and known to be the same. */
  #isSame(at: number, until: number, digests: Uint8Array): boolean {
    const isWhole = at % COARSE_SPAN === 0 && (until % COARSE_SPAN === 0 || until === this.#size);
    if (!isWhole || at < this.#from || at >= this.#known) return false;
    const index = (at - this.#from) / COARSE_SPAN;
    return sameKnown(coarsen(digests), this.#coarse.subarray(index * DIGEST_SIZE, (index + 1) * DIGEST_SIZE), 0);
  }

  /** The digests from a byte on, but for those of what the state did not have in full: where it ends there may be other bytes now. */
  #comparable(from: number, span: number, { digests, size }: DigestsOfState): Uint8Array {
    const whole = size === this.#size ? Number.POSITIVE_INFINITY : Math.floor((size - from) / span);
    return digests.subarray(0, Math.max(0, whole) * DIGEST_SIZE);
  }

  #suspect(offset: number, length: number, digests: Uint8Array): void {
    const last = this.#suspects.at(-1);
    if (last !== undefined && extentEnd(last.range) === offset && last.range.length + length <= CLOSER) {
      last.range.length += length;
      last.digests.push(digests);
    } else this.#suspects.push({ range: { offset, length }, digests: [digests] });
  }

  #ask(from: number, signal: AbortSignal): Asked {
    const length = Math.min(AHEAD, Math.ceil((this.#size - from) / COARSE_SPAN) * COARSE_SPAN);
    const coarse = this.#base.coarse({ offset: from, length }, signal);
    // Looked at when it is needed.
    coarse.catch(() => undefined);
    return { from, coarse };
  }
}

/** The blocks of a range whose digests are among those known, as extents. The last block of a disk may be short. */
const sameBlocks = ({ offset, length }: Extent, digests: Uint8Array, known: Uint8Array): Extent[] => {
  const found: { offset: number; length: number }[] = [];
  const blocks = Math.min(digests.length, known.length) / DIGEST_SIZE;
  for (let block = 0; block < blocks; block += 1) {
    if (!sameKnown(digests, known, block)) continue;
    const at = offset + block * BLOCK_SIZE;
    const bytes = Math.min(BLOCK_SIZE, offset + length - at);
    const last = found.at(-1);
    if (last !== undefined && extentEnd(last) === at) last.length += bytes;
    else found.push({ offset: at, length: bytes });
  }
  return found;
};

/** A comparison of a disk of `size` bytes. `patience`: milliseconds a closer look may take. */
export const createComparison = (base: BaseDigests, size: number, patience = PATIENCE): Comparison =>
  new DigestComparison(base, size, patience);
