import { BLOCK_SIZE, mergeExtents } from '@holdfast/block';
import type { TracedDevice } from '../trace/device.ts';
import { allocateReadBuffer, openDirectReader } from '../trace/direct-reader.ts';
import { excludableExtents } from '../trace/exclusion.ts';
import type { DiskSource } from './disk-source.ts';

/** Bytes of one read: the knee of throughput and of CPU time per byte of direct reads. */
const READ_LIMIT = 1024 * 1024;

export interface OpenDiskSource extends DiskSource {
  /** Also closes what it grew to. */
  close(): void;
}

/** Reads a whole disk past every cache. `ownFiles` names the agent's files that may lie on it; asked around every cut. */
export const openDiskSource = (device: TracedDevice, ownFiles: () => readonly string[] = () => []): OpenDiskSource => {
  const reader = openDirectReader(device);
  const buffer = allocateReadBuffer(READ_LIMIT);
  const sourceOf = (present: TracedDevice): DiskSource => ({
    size: present.size,
    readLimit: Math.floor(READ_LIMIT / BLOCK_SIZE) * BLOCK_SIZE,
    read: (offset, length) => {
      const data = buffer.subarray(0, length);
      return { data, unreadable: reader.read(offset, data) };
    },
    readTogether: (extents) => {
      let at = 0;
      const reads = extents.map(({ offset, length }) => {
        const target = buffer.subarray(at, at + length);
        at += Math.ceil(length / BLOCK_SIZE) * BLOCK_SIZE;
        return { offset, target };
      });
      const unreadable = reader.readAll(reads);
      return reads.map(({ target }, index) => ({ data: target, unreadable: unreadable[index]! }));
    },
    excluded: () => mergeExtents(ownFiles().flatMap((file) => excludableExtents(file, present))),
    grown: (size) => sourceOf({ ...present, size }),
  });
  return { ...sourceOf(device), close: () => reader.close() };
};
