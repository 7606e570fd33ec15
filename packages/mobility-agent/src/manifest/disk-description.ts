import { create } from '@bufbuild/protobuf';
import { type Disk, type Partition, PartitionSchema } from '@holdfast/protocol';

/** What describes a disk apart from its id and place among the others. */
export type DiskDescription = Omit<Disk, '$typeName' | '$unknown' | 'id' | 'order'>;

/** What was found in a partition, or right on a disk. */
export type Content = Pick<Partition, 'content' | 'contentUuid' | 'mountPoints'>;

/** Partitions of one disk that are looked at. */
export const PARTITION_LIMIT = 256;

/** sysfs counts in these, whatever the disk's sectors are. */
export const SECTOR = 512;

/** A file system right on a disk stands as partition 0 over all of it. */
export const wholeDisk = (size: number, content: Content): Partition =>
  create(PartitionSchema, { number: 0, offset: 0n, length: BigInt(size), ...content });
