import { isHoldfastError } from '@holdfast/errors';
import { runTool } from './run-tool.ts';

/** A part of a disk that may hold a file system: a partition, or all of a disk without any. */
export interface Volume {
  /** As the kernel would call it: `sda1`, `nvme0n1p1`; of a disk without partitions its own name. */
  readonly name: string;
  /** Bytes. */
  readonly offset: number;
  readonly size: number | undefined;
}

/** The volumes of a disk in a file. Errors: TOOL_MISSING. */
export const volumesOf = async (diskName: string, file: string): Promise<Volume[]> => {
  let table: string;
  try {
    table = await runTool('sfdisk', ['--json', file]);
  } catch (reason) {
    if (!isHoldfastError(reason, 'IO_FAILED')) throw reason;
    // It has none that sfdisk knows.
    return [{ name: diskName, offset: 0, size: undefined }];
  }
  return parsePartitions(diskName, table);
};

/** Numbers of a partition table come from another machine: whatever they say, they only choose a range of a read-only device. */
export const parsePartitions = (diskName: string, json: string): Volume[] => {
  const { partitiontable } = JSON.parse(json) as {
    partitiontable: { sectorsize?: number; partitions?: { node: string; start: number; size: number; type?: string }[] };
  };
  const sector = partitiontable.sectorsize ?? 512;
  return (partitiontable.partitions ?? [])
    .filter(({ type }) => !EXTENDED.has((type ?? '').toLowerCase()))
    .map(({ node, start, size }) => ({
      name: `${diskName}${/\d$/.test(diskName) ? 'p' : ''}${/(\d+)$/.exec(node)?.[1] ?? ''}`,
      offset: start * sector,
      size: size * sector,
    }));
};

/** Types of partitions that hold partitions. */
const EXTENDED: ReadonlySet<string> = new Set(['5', 'f', '85']);
