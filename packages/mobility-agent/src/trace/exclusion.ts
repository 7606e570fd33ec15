import { closeSync, fstatSync, openSync, statfsSync } from 'node:fs';
import { BLOCK_SIZE, type Extent, extentEnd, mergeExtents } from '@holdfast/block';
import { fromSystem } from '@holdfast/errors';
import { extendedFlags, fileExtents } from '../platform/ioctl.ts';
import { attribute } from './attribute.ts';
import { deviceFolder, kernelDevice, type TracedDevice, unpackDevice } from './device.ts';

/** File systems whose FIEMAP names bytes of the device they are mounted from, and which never move a file's data by themselves. */
const EXT = 0xef53;
const XFS = 0x5846_5342;
const XFS_REALTIME = 1;

/** `struct fiemap` and `struct fiemap_extent` of linux/fiemap.h. */
const HEADER_BYTES = 32;
const EXTENT_BYTES = 56;
const EXTENTS_A_CALL = 128;
const LAST = 0x1;
const UNWRITTEN = 0x800;
const MERGED = 0x1000;
/** With any other flag the place is unknown, not final, not exactly these bytes, or shared with another file. */
const CERTAIN = LAST | UNWRITTEN | MERGED;

const mapFile = (fd: number): Extent[] => {
  const extents: Extent[] = [];
  for (let start = 0; ; ) {
    const request = Buffer.alloc(HEADER_BYTES + EXTENTS_A_CALL * EXTENT_BYTES);
    request.writeBigUInt64LE(BigInt(start), 0);
    request.writeBigUInt64LE(0xffff_ffff_ffff_ffffn - BigInt(start), 8);
    request.writeUInt32LE(EXTENTS_A_CALL, 24);
    fileExtents(fd, request);
    const count = request.readUInt32LE(20);
    if (count === 0) return extents;
    for (let index = 0; index < count; index += 1) {
      const at = HEADER_BYTES + index * EXTENT_BYTES;
      const length = Number(request.readBigUInt64LE(at + 16));
      const flags = request.readUInt32LE(at + 40);
      if ((flags & ~CERTAIN) === 0) extents.push({ offset: Number(request.readBigUInt64LE(at + 8)), length });
      if ((flags & LAST) !== 0) return extents;
      start = Number(request.readBigUInt64LE(at)) + length;
    }
  }
};

/** Where on the disk the file system with this device number begins; `undefined` if it does not lie directly on the disk or a partition of it. */
const beginningOn = (disk: TracedDevice, fileSystem: { major: number; minor: number }): number | undefined => {
  if (kernelDevice(fileSystem) === kernelDevice(disk)) return 0;
  const folder = deviceFolder(fileSystem);
  if (folder === undefined || attribute(folder, 'partition') === '') return undefined;
  return attribute(`${folder}/..`, 'dev') === `${disk.major}:${disk.minor}` ? Number(attribute(folder, 'start')) * 512 : undefined;
};

const wholeBlocks = ({ offset, length }: Extent): Extent => {
  const first = Math.ceil(offset / BLOCK_SIZE) * BLOCK_SIZE;
  return { offset: first, length: Math.max(0, Math.floor((offset + length) / BLOCK_SIZE) * BLOCK_SIZE - first) };
};

/**
 * The blocks of `disk` that hold data of the file and of nothing else, for certain, sorted; empty if the file lies elsewhere or that cannot
 * be told (other file systems than ext4 and XFS, anything between file system and disk, data not allocated yet, shared or compressed).
 * It is true for the instant of the call: ask again around each cut. Throws OBJECT_NOT_FOUND if there is no such file.
 */
export const excludableExtents = (path: string, disk: TracedDevice): Extent[] => {
  try {
    const fd = openSync(path, 'r');
    try {
      const { type } = statfsSync(path);
      if (type !== EXT && type !== XFS) return [];
      if (type === XFS && (extendedFlags(fd) & XFS_REALTIME) !== 0) return [];
      const beginning = beginningOn(disk, unpackDevice(fstatSync(fd).dev));
      if (beginning === undefined) return [];
      const onDisk = mapFile(fd).map(({ offset, length }) => ({ offset: beginning + offset, length }));
      return mergeExtents(onDisk)
        .map(wholeBlocks)
        .filter((extent) => extent.length > 0 && extentEnd(extent) <= disk.size);
    } finally {
      closeSync(fd);
    }
  } catch (reason) {
    throw fromSystem(reason, path);
  }
};
