import type { HrlDirectory, HrlFile } from './files.ts';
import { parseSegmentHeader, SEGMENT_HEADER_SIZE } from './segment-header.ts';

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

const FILE_NAME = /^segment-(\d{6})\.hrl$/;
export const isSegmentName = (name: string): boolean => FILE_NAME.test(name);
const fileName = (index: number): string => `segment-${String(index).padStart(6, '0')}.hrl`;
/** Memory is given back, disk is kept for its place: spare files beyond this many are removed. */
const SPARE_LIMIT = { hot: 1, cold: Number.POSITIVE_INFINITY } as const;

/** A preallocated file, whatever is in it. */
export interface SegmentFile {
  readonly name: string;
  readonly file: HrlFile;
}

/** The files of one tier. */
export class TierFiles {
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
