import type { Extent } from '@holdfast/block';

/** What a read of a disk gave. */
export interface DiskRead {
  /** The bytes; valid until the next read of the same source. */
  readonly data: Uint8Array;
  /** Block-aligned parts of it that the device could not read; their bytes mean nothing. */
  readonly unreadable: readonly Extent[];
}

/** A disk as the capture reads it: past every cache, synchronously, so that the time a read ended is known. */
export interface DiskSource {
  /** Bytes. */
  readonly size: number;
  /** Longest read, in bytes, a multiple of the block size. */
  readonly readLimit: number;
  /** Reads block-aligned bytes (the last block may be short). Throws DEVICE_CHANGED or IO_FAILED when the device as a whole is gone. */
  read(offset: number, length: number): DiskRead;
  /** The same for several extents that together are no longer than `readLimit`, read at the same time; one after the other unless offered. */
  readTogether?(extents: readonly Extent[]): readonly DiskRead[];
  /**
   * Block-aligned parts of the disk that belong to the agent itself: they are not read and are zeroes in the vault. Asked around every cut,
   * because a file can move.
   */
  excluded(): readonly Extent[];
  /** The same disk after it grew; this one is not used any more. */
  grown(size: number): DiskSource;
}
