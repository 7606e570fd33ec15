import { randomBytes } from 'node:crypto';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { HrlDirectory, HrlFile } from './files.ts';
import { encodeSegmentHeader, parseSegmentHeader, SEGMENT_HEADER_SIZE } from './segment-header.ts';

export type TierName = 'hot' | 'cold';

/** A place for segments and the bytes they may take there. */
export interface Tier {
  readonly name: TierName;
  readonly directory: HrlDirectory;
  readonly limit: number;
}

/** A segment in use. */
export interface Segment {
  readonly file: HrlFile;
  readonly tier: TierName;
  readonly salt: string;
  readonly number: number;
}

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

const FILE_NAME = /^segment-(\d{6})\.hrl$/;
export const isSegmentName = (name: string): boolean => FILE_NAME.test(name);
const fileName = (index: number): string => `segment-${String(index).padStart(6, '0')}.hrl`;
/** Memory is given back, disk is kept for its place: spare files beyond this many are removed. */
const SPARE_LIMIT = { hot: 1, cold: Number.POSITIVE_INFINITY } as const;

interface SegmentFile {
  readonly name: string;
  readonly file: HrlFile;
}

class TierFiles {
  readonly tier: Tier;
  readonly spare: SegmentFile[] = [];
  readonly used = new Map<string, { readonly entry: SegmentFile; readonly segment: Segment }>();
  /** Files found at the start that are no segments of this log; nothing is done to them before `settle`. */
  #others: SegmentFile[] = [];
  #preparing: Promise<void> | undefined;
  #next = 1;

  constructor(tier: Tier) {
    this.tier = tier;
  }

  /** Takes in what lies in the directory and changes nothing. */
  load(logId: string, unreadable: string[]): void {
    const { directory, name: tier } = this.tier;
    for (const name of directory.list()) {
      const index = FILE_NAME.exec(name)?.[1];
      if (index === undefined) continue;
      this.#next = Math.max(this.#next, Number(index) + 1);
      const file = directory.open(name);
      const header = file.size < SEGMENT_HEADER_SIZE ? undefined : readHeader(file);
      if (header?.logId === logId && header.size === file.size) {
        this.used.set(header.salt, { entry: { name, file }, segment: { file, tier, salt: header.salt, number: header.number } });
      } else {
        if (header === undefined) unreadable.push(file.path);
        this.#others.push({ name, file });
      }
    }
  }

  settle(segmentBytes: number): void {
    for (const entry of this.#others.splice(0)) this.keep(entry, segmentBytes);
  }

  /** Whether a segment can be had without going over the limit. */
  hasRoom(segmentBytes: number): boolean {
    return this.spare.length > 0 || this.#bytes + segmentBytes <= this.tier.limit;
  }

  take(segmentBytes: number): SegmentFile {
    const spare = this.spare.pop();
    if (spare !== undefined) return spare;
    const name = this.#nextName();
    return { name, file: this.tier.directory.create(name, segmentBytes) };
  }

  /** Only where there is room for two: the one being made must not be in the way of one that is needed at once. */
  prepare(segmentBytes: number): void {
    if (this.#preparing !== undefined || this.spare.length > 0 || this.#bytes + 2 * segmentBytes > this.tier.limit) return;
    const name = this.#nextName();
    const made = this.tier.directory.createLater(name, segmentBytes).then((file) => this.keep({ name, file }, segmentBytes));
    this.#preparing = made
      .catch(() => undefined)
      .then(() => {
        this.#preparing = undefined;
      });
  }

  #nextName(): string {
    const name = fileName(this.#next);
    this.#next += 1;
    return name;
  }

  /** Keeps a file for later use, or removes it where it is of no use. */
  keep(entry: SegmentFile, segmentBytes: number): void {
    const { name, limit, directory } = this.tier;
    const fits = entry.file.size === segmentBytes && this.#bytes + segmentBytes <= limit;
    if (fits && this.spare.length < SPARE_LIMIT[name]) {
      this.spare.push(entry);
      return;
    }
    entry.file.close();
    directory.remove(entry.name);
  }

  get #bytes(): number {
    return this.files.reduce((sum, { size }) => sum + size, 0);
  }

  get files(): HrlFile[] {
    return [...this.spare, ...[...this.used.values()].map(({ entry }) => entry)].map(({ file }) => file);
  }

  async close(): Promise<void> {
    await this.#preparing;
    for (const file of [...this.files, ...this.#others.map((other) => other.file)]) file.close();
  }
}

const readHeader = (file: HrlFile): ReturnType<typeof parseSegmentHeader> => {
  const bytes = Buffer.alloc(SEGMENT_HEADER_SIZE);
  file.read(0, bytes);
  return parseSegmentHeader(bytes);
};

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
