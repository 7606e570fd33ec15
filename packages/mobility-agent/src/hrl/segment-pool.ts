import { randomBytes } from 'node:crypto';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { encodeSegmentHeader } from './segment-header.ts';
import { type Segment, type Tier, TierFiles, type TierName } from './tier-files.ts';

/** The preallocated files of all tiers: those in use as segments, and those that wait to be used again. */
export interface SegmentPool {
  readonly segmentBytes: number;
  /** The segment with this salt, if there is one. */
  find(salt: string): Segment | undefined;
  /** Starts a new segment in the first tier that has room. NO_SPACE when none has. */
  take(): Segment;
  /** Starts a new segment in memory, if memory has room. */
  takeHot(): Segment | undefined;
  /** The segment's records are not needed any more. */
  release(segment: Segment): void;
  /** Releases all segments but these and puts every other file to use, or removes it. Once, after recovery. */
  retain(segments: Iterable<Segment>): void;
  /** Files that look like segments but whose header is not valid; damage, when a segment is missed. */
  readonly unreadable: readonly string[];
  readonly paths: string[];
  /** Has the file for the next segment made in the background, so that taking it costs nothing. Failure shows when it is taken. */
  prepare(): void;
  close(): Promise<void>;
}

class TieredSegmentPool implements SegmentPool {
  readonly unreadable: string[] = [];
  readonly #logId: string;
  readonly segmentBytes: number;
  readonly #tiers: readonly TierFiles[];
  #number = 0;

  constructor(tiers: readonly Tier[], logId: string, segmentBytes: number) {
    this.#logId = logId;
    this.segmentBytes = segmentBytes;
    this.#tiers = tiers.map((tier) => new TierFiles(tier));
    for (const tier of this.#tiers) {
      tier.load(logId, this.unreadable);
      for (const { segment } of tier.used.values()) this.#number = Math.max(this.#number, segment.number);
    }
  }

  find(salt: string): Segment | undefined {
    for (const { used } of this.#tiers) {
      const segment = used.get(salt)?.segment;
      if (segment !== undefined) return segment;
    }
    return undefined;
  }

  take(): Segment {
    const segment = this.takeHot() ?? this.#takeFrom('cold');
    if (segment !== undefined) return segment;
    const limit = this.#tiers.reduce((sum, { tier }) => sum + tier.limit, 0);
    throw noSpace(`its quota of ${limit} bytes holds cuts which are not durable in the vault yet`);
  }

  takeHot(): Segment | undefined {
    try {
      return this.#takeFrom('hot');
    } catch (reason) {
      // Memory that is full for other reasons is as good as a full tier.
      if (isHoldfastError(reason, 'NO_SPACE')) return undefined;
      throw reason;
    }
  }

  #takeFrom(name: TierName): Segment | undefined {
    const tier = this.#tiers.find((one) => one.tier.name === name);
    if (tier?.hasRoom(this.segmentBytes) !== true) return undefined;
    const entry = tier.take(this.segmentBytes);
    this.#number += 1;
    const segment = { file: entry.file, tier: name, salt: randomBytes(8).toString('hex'), number: this.#number };
    tier.used.set(segment.salt, { entry, segment });
    entry.file.write(0, encodeSegmentHeader({ logId: this.#logId, salt: segment.salt, number: segment.number, size: this.segmentBytes }));
    return segment;
  }

  release(segment: Segment): void {
    const tier = this.#tiers.find(({ used }) => used.has(segment.salt));
    const entry = tier?.used.get(segment.salt)?.entry;
    if (tier === undefined || entry === undefined) return;
    tier.used.delete(segment.salt);
    tier.keep(entry, this.segmentBytes);
  }

  retain(segments: Iterable<Segment>): void {
    const kept = new Set([...segments].map(({ salt }) => salt));
    for (const tier of this.#tiers) {
      for (const { segment } of [...tier.used.values()]) if (!kept.has(segment.salt)) this.release(segment);
      tier.settle(this.segmentBytes);
    }
  }

  get paths(): string[] {
    return this.#tiers.flatMap(({ files }) => files.map(({ path }) => path));
  }

  prepare(): void {
    const next = this.#tiers.find((tier) => tier.hasRoom(this.segmentBytes));
    next?.prepare(this.segmentBytes);
  }

  async close(): Promise<void> {
    for (const tier of this.#tiers) await tier.close();
  }
}

const noSpace = (why: string): HoldfastError =>
  new HoldfastError('NO_SPACE', {
    thing: 'agent log (.hrl)',
    why,
    remedy: 'wait until the vault takes more, or raise the quota',
  });

/** `tiers`: memory first. Reads the headers of all files there; changes nothing before the first call. */
export const createSegmentPool = (tiers: readonly Tier[], logId: string, segmentBytes: number): SegmentPool =>
  new TieredSegmentPool(tiers, logId, segmentBytes);
