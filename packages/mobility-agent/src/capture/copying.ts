import { BLOCK_SIZE, COARSE_SPAN, type Extent } from '@holdfast/block';
import { fromSystem, type HoldfastError } from '@holdfast/errors';
import { zeroRuns } from '../frames/zero-runs.ts';
import type { DiskStateRef } from '../hrl/hrl.ts';
import type { DiskState } from './capture-disks.ts';
import { type BaseDigests, type Comparison, createComparison } from './comparison.ts';
import type { CopyPace } from './copy-pace.ts';
import type { OthersWork } from './others-work.ts';
import type { MemberDisk } from './proposal.ts';
import type { Convergence, RangeReading } from './rounds.ts';

/** Bytes of disk a piece of a copy may cover for each byte of changes it may hold. */
const SPAN = 16;
/** Milliseconds after which a piece ends: cuts of the other disks wait for it. */
const LONGEST_PIECE = 1000;

/** What a piece of a copy reads. */
export interface Piece {
  /** Tells how far the copy has come with it, in bytes from the start of the disk. */
  read(member: MemberDisk): Promise<number>;
}

/** Copies one disk from one end to the other, as far as its generation lacks it. */
export interface Copying {
  /** Waits until more may be read, and is known of what it is compared with. */
  prepare(signal: AbortSignal | undefined): Promise<void>;
  /** The next piece of disk that the copy has not covered; undefined when there is none. */
  piece(): Piece | undefined;
}

export interface CopyingOptions {
  readonly convergence: Pick<Convergence, 'readRange'>;
  readonly pace: CopyPace;
  /** Bytes of changes a piece may hold, roughly. */
  readonly pieceSize: number;
  /** What others do on the disk of that name; the pace judges by time alone unless given. */
  others?(name: string): OthersWork;
  /** What the vault has of the disk in the state its generation builds on, where that can be asked for. */
  digests?(diskId: string, base: DiskStateRef): BaseDigests;
  /** The disk cannot be compared, and is copied whole. */
  onWhole(diskId: string, reason: HoldfastError): void;
}

class DiskCopying implements Copying {
  readonly #options: CopyingOptions;
  readonly #state: DiskState;
  #comparison: Comparison | undefined;
  #size: number;
  /** Bytes the next piece may cover. */
  #allowed: number = COARSE_SPAN;
  #signal: AbortSignal | undefined;

  constructor(options: CopyingOptions, state: DiskState) {
    this.#options = options;
    this.#state = state;
    this.#size = state.disk.source.size;
    this.#comparison = this.#compare();
  }

  async prepare(signal: AbortSignal | undefined): Promise<void> {
    this.#signal = signal;
    const { lineage, disk } = this.#state;
    this.#allowed = Math.min(await this.#options.pace.next(signal), this.#options.pieceSize * SPAN);
    if (this.#comparison === undefined || lineage.covered >= disk.source.size) return;
    if (this.#size !== disk.source.size) {
      this.#size = disk.source.size;
      this.#comparison = this.#compare();
    }
    try {
      await this.#comparison?.prepare(lineage.covered, this.#allowed, signal ?? new AbortController().signal);
    } catch (reason) {
      if (signal?.aborted === true) return;
      this.#comparison = undefined;
      this.#options.onWhole(disk.id, fromSystem(reason, `disk ${disk.id}`, 'INTERNAL'));
    }
  }

  piece(): Piece | undefined {
    const { lineage, disk } = this.#state;
    const { covered, told } = lineage;
    if (!lineage.open || covered >= disk.source.size) return undefined;
    const length = Math.min(alignedLength(covered, this.#allowed), disk.source.size - covered);
    const comparison = this.#comparison;
    const isZeroes = lineage.base === undefined;
    const differing = (offset: number, data: Uint8Array): readonly Extent[] => {
      // A piece of this very generation may have told something else of it.
      if (offset < told) return [{ offset, length: data.length }];
      if (isZeroes) return notZero(offset, data);
      return comparison?.differing(offset, data) ?? [{ offset, length: data.length }];
    };
    return { read: (member) => this.#read(member, { offset: covered, length }, differing) };
  }

  async #read(member: MemberDisk, range: Extent, differing: NonNullable<RangeReading['differing']>): Promise<number> {
    const { convergence, pace, pieceSize } = this.#options;
    const began = performance.now();
    let changes = 0;
    const counted = (offset: number, data: Uint8Array): readonly Extent[] => {
      const extents = differing(offset, data);
      for (const { length } of extents) changes += length;
      return extents;
    };
    // What a cut read before this piece counts for nothing.
    const others = this.#options.others?.(this.#state.disk.device.name);
    const enough = (bytes: number, milliseconds: number): boolean =>
      pace.read(bytes, milliseconds, others?.since(bytes)) || changes >= pieceSize || performance.now() - began > LONGEST_PIECE;
    const isFinal = this.#comparison === undefined;
    let covered: number;
    try {
      covered = await convergence.readRange(member, range, { differing: counted, enough, isFinal });
    } finally {
      others?.close();
    }
    for (const same of (await this.#comparison?.settle(this.#signal ?? new AbortController().signal)) ?? []) member.staging.putSame(same);
    return covered;
  }

  #compare(): Comparison | undefined {
    const { lineage, disk } = this.#state;
    if (lineage.base === undefined || this.#options.digests === undefined) return undefined;
    return createComparison(this.#options.digests(disk.id, lineage.base), disk.source.size);
  }
}

/** Up to so many bytes from a block on: to the end of a MiB where that can be, for those have a digest; to that of a block at least. */
const alignedLength = (offset: number, most: number): number => {
  const end = Math.floor((offset + most) / COARSE_SPAN) * COARSE_SPAN;
  return end > offset ? end - offset : Math.max(BLOCK_SIZE, Math.floor(most / BLOCK_SIZE) * BLOCK_SIZE);
};

/** The parts of the data that are not zeroes, whole blocks. */
const notZero = (offset: number, data: Uint8Array): Extent[] =>
  [...zeroRuns(data)].filter(({ zero }) => !zero).map(({ at, length }) => ({ offset: offset + at, length }));

export const createCopying = (options: CopyingOptions, state: DiskState): Copying => new DiskCopying(options, state);
