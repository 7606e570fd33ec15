import { isHoldfastError } from '@holdfast/errors';
import { runTool } from './run-tool.ts';

/** A part of a disk that may hold a file system: a partition, or all of a disk without any. */
export interface Volume {
  /** As the kernel of the source called it: `sda1`, `nvme0n1p1`; of a disk without partitions its own name. */
  readonly name: string;
  readonly diskId: string;
  /** File of this host with the bytes of the volume, from `offset`. */
  readonly file: string;
  readonly partition: number | undefined;
  /** Bytes. */
  readonly offset: number;
  readonly size: number | undefined;
  /** What is on it by its signature: `ext4`, `LVM2_member`; empty when nothing is known. */
  readonly type: string;
  readonly uuid: string;
  readonly label: string;
  /** Of the partition. */
  readonly partUuid: string;
  /** True of what UEFI firmware starts from. */
  readonly esp: boolean;
}

interface Part {
  readonly number: number;
  readonly offset: number;
  readonly size: number;
  readonly uuid: string;
  readonly type: string;
}

/** Types of partitions that hold partitions. */
const EXTENDED: ReadonlySet<string> = new Set(['5', 'f', '85']);
const ESP: ReadonlySet<string> = new Set(['c12a7328-f81f-11d2-ba4b-00a0c93ec93b', 'ef']);

/** The volumes of a disk in a file. Errors: TOOL_MISSING. */
export const readVolumes = async (
  disk: { readonly id: string; readonly name: string },
  file: string,
  { partitions = true }: { readonly partitions?: boolean } = {},
): Promise<Volume[]> => {
  const parts = partitions ? parseTable(await sayQuietly('sfdisk', ['--json', file])) : undefined;
  const volumes: Volume[] = [];
  for (const part of parts ?? [undefined]) {
    const range = part === undefined ? [] : ['--offset', String(part.offset), '--size', String(part.size)];
    const told = await sayQuietly('blkid', ['--probe', '--usages', 'filesystem,raid,crypto,other', '--output', 'export', ...range, file]);
    const say = (tag: string): string => new RegExp(`^${tag}=(.*)$`, 'm').exec(told)?.[1]?.replaceAll(/\\(.)/g, '$1') ?? '';
    volumes.push({
      name: part === undefined ? disk.name : partitionName(disk.name, part.number),
      diskId: disk.id,
      file,
      partition: part?.number,
      offset: part?.offset ?? 0,
      size: part?.size,
      type: say('TYPE'),
      uuid: say('UUID'),
      label: say('LABEL'),
      partUuid: part?.uuid ?? '',
      esp: part !== undefined && ESP.has(part.type),
    });
  }
  return volumes;
};

export const partitionName = (disk: string, number: number): string => `${disk}${/\d$/.test(disk) ? 'p' : ''}${number}`;

/** Partitions by what `sfdisk --json` tells; undefined without a table. Its numbers come from another machine and only choose ranges of its disk. */
export const parseTable = (json: string): Part[] | undefined => {
  if (json === '') return undefined;
  const { partitiontable: table } = JSON.parse(json) as {
    partitiontable: {
      label?: string;
      id?: string;
      sectorsize?: number;
      partitions?: { node: string; start: number; size: number; type?: string; uuid?: string }[];
    };
  };
  const sector = table.sectorsize ?? 512;
  return (table.partitions ?? [])
    .map(({ node, start, size, type = '', uuid }) => {
      const number = Number(/(\d+)$/.exec(node)?.[1] ?? 0);
      // The kernel makes ids of partitions of a DOS table out of the table's.
      const made = table.label === 'dos' ? `${(table.id ?? '').replace(/^0x/, '')}-${number.toString(16).padStart(2, '0')}` : '';
      return { number, offset: start * sector, size: size * sector, uuid: (uuid ?? made).toLowerCase(), type: type.toLowerCase() };
    })
    .filter(({ type }) => !EXTENDED.has(type));
};

const sayQuietly = async (program: string, args: readonly string[]): Promise<string> => {
  try {
    return (await runTool(program, args)).toString('utf8');
  } catch (reason) {
    // It knows nothing of what is there.
    if (isHoldfastError(reason, 'IO_FAILED')) return '';
    throw reason;
  }
};
