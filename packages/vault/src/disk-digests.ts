import { BLOCK_SIZE, blockCount, blockLength, DIGEST_SIZE, type Extent, type Frame, markZeroes, UNKNOWN_MARK } from '@holdfast/block';
import { isHoldfastError } from '@holdfast/errors';
import type { EpochRef } from '@holdfast/protocol';
import { ByteCache } from './byte-cache.ts';
import { diskDifference } from './difference.ts';
import { mapDisk, type Piece } from './disk-map.ts';
import { type FrameHandle, groupsOf, keyOf } from './frame-reader.ts';
import type { MachineHistory } from './history.ts';
import { EXTENT_KIND } from './segment-index.ts';

/** Bytes of a disk whose digests are found together. */
const WINDOW = 64 * 1024 * 1024;
/** Bytes of digests kept: those of frames with writes from all over the disk are wanted again and again. */
const CACHE_BYTES = 64 * 1024 * 1024;
/** Requests at the same time. */
const CONCURRENCY = 4;

/** The digests of a frame's blocks, and where on the disk they are. */
interface FrameDigests {
  /** Of each data extent: bytes of data before it, digests before it, where it begins on the disk, and its bytes. */
  readonly extents: readonly { readonly position: number; readonly first: number; readonly offset: number; readonly length: number }[];
  readonly digests: Uint8Array;
}

/** What is known of the blocks of a part of a disk. */
export interface KnownBlocks {
  /** Bytes; the start of a block. */
  readonly offset: number;
  /** Of each block from there on, with marks for zeroes and for those of which nothing is known. */
  readonly digests: Uint8Array;
}

/**
 * The digests of the blocks of one disk at an epoch, as they are compared, by parts that follow one another: all of them, or those that may
 * differ from another epoch of the same disk. Frames are read and authenticated but nothing is decoded. Blocks that were not readable at the
 * source, are told in part only, or are damaged in the vault count as not known; `onDamage` hears of the last. Errors: DAMAGED where an index is.
 */
export async function* readDigests(
  history: MachineHistory,
  diskId: string,
  ref: EpochRef,
  { since, onDamage }: { readonly since?: EpochRef; onDamage?(reason: Error): void } = {},
): AsyncGenerator<KnownBlocks> {
  const map = await mapDisk(history, diskId, ref);
  const reader = new DigestReader(onDamage ?? (() => undefined));
  for await (const { offset, length } of since === undefined
    ? wholeDisk(map.size)
    : changedSince(await diskDifference(history, diskId, since, ref), map.size)) {
    for (let start = offset; start < offset + length; start += WINDOW) {
      const end = Math.min(start + WINDOW, offset + length);
      yield { offset: start, digests: await reader.digestsOf(await map.find(start, end), start, end, map.size) };
    }
  }
}

/** The whole blocks of a disk that read as zeroes at an epoch because nothing is kept of them; ascending. Nothing but indexes is read. Errors: DAMAGED. */
export async function* emptyBlocks(history: MachineHistory, diskId: string, ref: EpochRef): AsyncGenerator<Extent> {
  const map = await mapDisk(history, diskId, ref);
  for (let start = 0; start < map.size; start += WINDOW) {
    const end = Math.min(start + WINDOW, map.size);
    let at = start;
    for (const piece of [...(await map.find(start, end)), { start: end, end }]) {
      const offset = Math.ceil(at / BLOCK_SIZE) * BLOCK_SIZE;
      const length = (piece.start < end ? piece.start - (piece.start % BLOCK_SIZE) : end) - offset;
      if (length > 0) yield { offset, length };
      at = Math.max(at, piece.end);
    }
  }
}

function* wholeDisk(size: number): Generator<Extent> {
  if (size > 0) yield { offset: 0, length: size };
}

/** Whole blocks, each once; with those that only one of the two states has, and the one in which the smaller ends. */
async function* changedSince(
  { sizes, extents }: { readonly sizes: readonly [number, number]; readonly extents: AsyncIterable<Extent> },
  size: number,
): AsyncGenerator<Extent> {
  const toBlock = (bytes: number): number => bytes - (bytes % BLOCK_SIZE);
  const both = Math.min(...sizes);
  let open: { offset: number; end: number } | undefined;
  async function* all(): AsyncGenerator<Extent> {
    yield* extents;
    if (sizes[0] !== sizes[1]) yield { offset: toBlock(Math.max(0, both - 1)), length: size - toBlock(Math.max(0, both - 1)) };
  }
  for await (const { offset, length } of all()) {
    const start = toBlock(offset);
    const end = Math.min(size, toBlock(offset + length + BLOCK_SIZE - 1));
    if (open !== undefined && start <= open.end && end - open.offset <= WINDOW) open.end = Math.max(open.end, end);
    else {
      if (open !== undefined && open.end > open.offset) yield { offset: open.offset, length: open.end - open.offset };
      open = { offset: open === undefined ? start : Math.max(start, open.end), end };
    }
  }
  if (open !== undefined && open.end > open.offset) yield { offset: open.offset, length: open.end - open.offset };
}

class DigestReader {
  readonly #frames = new ByteCache<string, FrameDigests | undefined>(CACHE_BYTES);
  readonly #onDamage: (reason: Error) => void;

  constructor(onDamage: (reason: Error) => void) {
    this.#onDamage = onDamage;
  }

  /** Of the blocks between two offsets of a disk of `size` bytes, of which these pieces tell; `start` is that of a block. */
  async digestsOf(pieces: readonly Piece[], start: number, end: number, size: number): Promise<Uint8Array> {
    const digests = new Uint8Array((blockCount(end) - start / BLOCK_SIZE) * DIGEST_SIZE);
    const unique = new Map(pieces.filter(({ kind }) => kind === EXTENT_KIND.data).map((piece) => [keyOf(piece), piece]));
    const groups = groupsOf([...unique.values()].sort(byPlace));
    const frames = new Map<string, FrameDigests | undefined>();
    const work = async (): Promise<void> => {
      for (let group = groups.shift(); group !== undefined; group = groups.shift()) await this.#read(group, frames);
    };
    await Promise.all(Array.from({ length: Math.min(CONCURRENCY, groups.length) }, work));
    for (const piece of pieces) {
      const known = piece.kind === EXTENT_KIND.data ? frames.get(keyOf(piece)) : undefined;
      for (let at = piece.start - (piece.start % BLOCK_SIZE); at < piece.end; at += BLOCK_SIZE) {
        const target = (at / BLOCK_SIZE - start / BLOCK_SIZE) * DIGEST_SIZE;
        const digest = known === undefined ? undefined : digestAt(known, piece, at, blockLength(at / BLOCK_SIZE, size));
        if (digest === undefined) digests.fill(UNKNOWN_MARK, target, target + DIGEST_SIZE);
        else digests.set(digest, target);
      }
    }
    return markZeroes(digests, blockLength(blockCount(end) - 1, size));
  }

  async #read(group: readonly Piece[], into: Map<string, FrameDigests | undefined>): Promise<void> {
    const missing = group.filter((piece) => !this.#frames.has(keyOf(piece)));
    const fetched = new Map<number, FrameDigests | undefined>();
    for (const run of groupsOf(missing)) {
      const { handle, frame: first } = run[0]!;
      const found = await this.#fetch(handle, first, run.length);
      for (const [i, digests] of found.entries()) fetched.set(first + i, digests);
    }
    for (const piece of group) {
      const load = async () => {
        const value = fetched.has(piece.frame) ? fetched.get(piece.frame) : (await this.#fetch(piece.handle, piece.frame, 1))[0];
        return { value, size: 64 + (value === undefined ? 0 : value.digests.length + value.extents.length * 64) };
      };
      into.set(keyOf(piece), await this.#frames.get(keyOf(piece), load));
    }
  }

  /** What is damaged is not known. */
  async #fetch(handle: FrameHandle, first: number, count: number): Promise<(FrameDigests | undefined)[]> {
    const whole = async <T>(work: () => T | Promise<T>): Promise<T | undefined> => {
      try {
        return await work();
      } catch (reason) {
        if (!isHoldfastError(reason, 'DAMAGED') && !isHoldfastError(reason, 'OBJECT_NOT_FOUND')) throw reason;
        this.#onDamage(reason as Error);
        return undefined;
      }
    };
    const store = await whole(() => handle.open());
    const sealed = store && (await whole(() => store.readSealed(first, count)));
    const found: (FrameDigests | undefined)[] = [];
    for (let i = 0; i < count; i += 1) found.push(sealed && (await whole(() => digestsIn(store!.parse(first + i, sealed[i]!)))));
    return found;
  }
}

const byPlace = (a: Piece, b: Piece): number => (a.handle.key < b.handle.key ? -1 : a.handle.key > b.handle.key ? 1 : a.frame - b.frame);

const digestsIn = ({ extents, digests }: Frame): FrameDigests => {
  const found: FrameDigests['extents'][number][] = [];
  let position = 0;
  let first = 0;
  for (const { offset, length, kind } of extents) {
    if (kind !== 'data') continue;
    found.push({ position, first, offset, length });
    position += length;
    first += blockCount(length);
  }
  // A copy: what they are part of is larger.
  return { extents: found, digests: Uint8Array.from(digests) };
};

/** The digest of the block at `at`, of `length` bytes, when the piece has it whole and the frame a digest of just that. */
const digestAt = ({ extents, digests }: FrameDigests, piece: Piece, at: number, length: number): Uint8Array | undefined => {
  if (piece.start > at || piece.end < at + length) return undefined;
  const position = piece.position + at - piece.start;
  const extent = extents.find((one) => one.position <= position && position < one.position + one.length);
  if (extent === undefined) return undefined;
  const within = position - extent.position;
  if (within % BLOCK_SIZE !== 0 || extent.offset + within !== at || Math.min(BLOCK_SIZE, extent.length - within) !== length)
    return undefined;
  const first = (extent.first + within / BLOCK_SIZE) * DIGEST_SIZE;
  return digests.subarray(first, first + DIGEST_SIZE);
};
