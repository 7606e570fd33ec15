import { type KeyObject, randomBytes } from 'node:crypto';
import type { JournalDirectory, JournalFile } from './files.ts';
import type { JournalKey } from './journal-key.ts';
import { RECORD_HEADER_SIZE } from './record.ts';
import { segmentKey } from './seal.ts';
import { encodeSegmentHeader, RECORDS_AT, SEGMENT_HEADER_SIZE } from './segment-header.ts';

/** A file in use. */
export interface Segment {
  readonly file: JournalFile;
  readonly number: number;
  readonly salt: Buffer;
  readonly key: KeyObject;
}

/** The preallocated files of the journal: those in use, and those that wait to be used again. */
export interface Segments {
  /** The next segment, or undefined when there is no free file now. Its header is on its way when this returns. */
  take(): { readonly segment: Segment; readonly written: Promise<void> } | undefined;
  /** Nothing in it is wanted any more. */
  release(segment: Segment): Promise<void>;
  /** Bytes of records that fit for sure into files that can be taken at once. */
  readonly room: number;
  /** Bytes of files in use. */
  readonly used: number;
  /** Bytes that files may take: the quota, or those there are where the file system had no room for another. */
  readonly limit: number;
  /** Makes a file in the background when the quota has room and few are free. */
  prepare(): void;
  /** Resolves when no file is being made. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** Records that a segment of `size` bytes holds, in bytes, at least: what is left at its end may be too small for the next one. */
export const usableBytes = (size: number): number => size - RECORDS_AT - RECORD_HEADER_SIZE - Math.min(2 * 1024 * 1024, size >> 2);

/** Free files kept ready ahead of need, and those kept at most. */
const AHEAD = 2;
const MOST_FREE = 4;
/** Milliseconds until a file system that was full is asked again. */
const PAUSE = 2000;

export interface SegmentsOptions {
  readonly directory: JournalDirectory;
  readonly key: JournalKey;
  readonly segmentBytes: number;
  readonly quota: number;
  /** The highest number used so far. */
  readonly number: number;
  readonly used: readonly Segment[];
  /** Of `segmentBytes` each. */
  readonly free: readonly JournalFile[];
  /** A file came, or could not be made. */
  onChange(): void;
}

const nameOf = (number: number): string => `segment-${number.toString().padStart(8, '0')}`;

export const createSegments = (options: SegmentsOptions): Segments => {
  const { directory, key, segmentBytes, quota, onChange } = options;
  const free = [...options.free];
  const used = new Set(options.used);
  let number = options.number;
  let making: Promise<void> | undefined;
  let resting = false;
  let hasRoom = true;
  let closed = false;
  let serial = 0;

  const total = (): number => [...free, ...[...used].map(({ file }) => file)].reduce((sum, { size }) => sum + size, 0);

  const make = async (): Promise<void> => {
    try {
      const names = new Set(await directory.list());
      do serial += 1;
      while (names.has(nameOf(serial)));
      free.push(await directory.create(nameOf(serial), segmentBytes));
      hasRoom = true;
    } catch {
      // Seen by everybody as missing room; the file system is asked again later.
      hasRoom = false;
      resting = true;
      setTimeout(() => {
        resting = false;
        prepare();
      }, PAUSE).unref();
    }
  };

  const prepare = (): void => {
    if (closed || making !== undefined || free.length >= AHEAD || total() + segmentBytes > quota || resting) return;
    making = make().finally(() => {
      making = undefined;
      onChange();
      prepare();
    });
  };

  return {
    take() {
      const file = free.pop();
      if (file === undefined) return undefined;
      number += 1;
      const salt = randomBytes(32);
      const segment = { file, number, salt, key: segmentKey(key.key, key.id, salt, number) };
      used.add(segment);
      const written = file.write(0, encodeSegmentHeader({ journalId: key.id, salt, number, size: file.size }));
      prepare();
      return { segment, written };
    },
    async release(segment) {
      if (!used.delete(segment)) return;
      const { file } = segment;
      await file.write(0, Buffer.alloc(SEGMENT_HEADER_SIZE));
      // Else it could come back after a power failure, when nobody remembers that its cuts are settled.
      await file.sync();
      if (file.size === segmentBytes && free.length < MOST_FREE && !closed) free.push(file);
      else {
        await file.close();
        await directory.remove(file.name);
      }
      onChange();
    },
    get room() {
      return free.length * usableBytes(segmentBytes);
    },
    get used() {
      return [...used].reduce((sum, { file }) => sum + file.size, 0);
    },
    get limit() {
      return hasRoom ? quota : total();
    },
    prepare,
    settled: async () => {
      while (making !== undefined) await making;
    },
    async close() {
      closed = true;
      await making;
      for (const file of free) await file.close();
      for (const { file } of used) await file.close();
    },
  };
};
