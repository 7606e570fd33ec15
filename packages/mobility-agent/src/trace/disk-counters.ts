import { closeSync, openSync, readSync } from 'node:fs';

/** What the kernel counts of a disk, read through descriptors that fail with ENODEV once the disk is gone, whoever takes its name. */
export interface DiskCounters {
  /** Sectors of completed writes, write-zeroes and discards since the disk appeared (Documentation/block/stat.rst). */
  writtenSectors(): number;
  /** Writes handed to the device and not reported back by it. */
  writesInFlight(): number;
  close(): void;
}

const READ_SECTORS = 2;
const WRITE_SECTORS = 6;
const DISCARD_SECTORS = 13;
const WRITES = 1;

const TEXT = Buffer.alloc(512);

/** The columns of a small text file of the kernel, read again and again through one descriptor. */
const readColumns = (fd: number): string[] =>
  TEXT.toString('latin1', 0, readSync(fd, TEXT, 0, TEXT.length, 0))
    .trim()
    .split(/\s+/);

/** Bytes of a sector here, whatever the disk's own are. */
const SECTOR = 512;

/** Bytes read and written since the disk appeared, out of its open `stat`. */
export const transferredBytes = (fd: number): number => {
  const columns = readColumns(fd);
  return (Number(columns[READ_SECTORS]) + Number(columns[WRITE_SECTORS])) * SECTOR;
};

export const openDiskCounters = (name: string): DiskCounters => {
  const stat = openSync(`/sys/block/${name}/stat`, 'r');
  const inflight = openSync(`/sys/block/${name}/inflight`, 'r');
  return {
    writtenSectors: () => {
      const columns = readColumns(stat);
      return Number(columns[WRITE_SECTORS]) + Number(columns[DISCARD_SECTORS] ?? 0);
    },
    writesInFlight: () => Number(readColumns(inflight)[WRITES]),
    close: () => {
      closeSync(stat);
      closeSync(inflight);
    },
  };
};
