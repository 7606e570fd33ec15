import { shortId } from '../choose/choose-resource.ts';
import type { DiskDescription } from '../machine/describe-machine.ts';
import type { Part } from '../output/answer.ts';
import { formatBytes } from '../output/format.ts';
import type { Cell } from '../output/table.ts';
import { stateCell } from '../site/words.ts';

/** A disk, and where it is. */
export type PlacedDisk = DiskDescription & { readonly machine?: string };

/** Disks as a table; with the machine when it is told. */
export const disksPart = (disks: readonly PlacedDisk[]): Part => {
  const placed = disks.some(({ machine }) => machine !== undefined);
  return {
    columns: [
      ...(placed ? [{ heading: 'MACHINE', shrink: true }] : []),
      { heading: 'DISK', shrink: true },
      { heading: 'ID', optional: true },
      { heading: 'SIZE', right: true },
      { heading: 'PHASE' },
      { heading: 'COPIED', right: true, optional: true },
      { heading: 'PROBLEM', shrink: true },
    ],
    rows: disks.map((disk): Cell[] => [
      ...(placed ? [disk.machine ?? ''] : []),
      disk.name,
      shortId(disk.id, disks),
      formatBytes(disk.size),
      disk.excluded ? { text: 'excluded', tone: 'quiet' } : stateCell(disk.phase),
      copiedWords(disk),
      disk.problem === null ? '' : { text: `[${disk.problem.code}] ${disk.problem.text}`, tone: 'bad' },
    ]),
  };
};

/** How far the copy is while there is one. */
const copiedWords = ({ phase, copied, size, paused }: DiskDescription): string => {
  if (copied === null || (phase !== 'copying' && phase !== 'resynchronizing')) return '';
  return `${formatBytes(copied)} (${size === 0 ? 100 : Math.floor((copied / size) * 100)} %)${paused ? ', rests' : ''}`;
};
