// Compares what views serve with what the disks held.
import { BLOCK_SIZE } from '@holdfast/block';
import { isHoldfastError } from '@holdfast/errors';
import type { MachineHistory } from '../history.ts';
import { openView } from '../view.ts';
import type { MadeCut } from './simulated-source.ts';

/** What is wrong with the view of a point, `undefined` when every byte is right and every unreadable block is refused. */
export const compareView = async (history: MachineHistory, made: MadeCut, diskId: string): Promise<string | undefined> => {
  const { content, unreadable } = made.expected.get(diskId)!;
  const view = await openView(history, made.pointId!, diskId, { cacheBytes: 64 * 1024 });
  try {
    if (view.size !== content.length) return `size ${view.size} instead of ${content.length}`;
    for (const block of unreadable) {
      const reason = await view.read(block * BLOCK_SIZE, Buffer.alloc(1)).catch((error: unknown) => error);
      if (!isHoldfastError(reason, 'UNREADABLE_EXTENT')) return `block ${block} was served although it is unreadable`;
    }
    const read = Buffer.alloc(content.length);
    if (unreadable.size === 0) await view.read(0, read);
    else
      for (let at = 0; at < content.length; at += BLOCK_SIZE) {
        if (unreadable.has(at / BLOCK_SIZE)) continue;
        await view.read(at, read.subarray(at, Math.min(at + BLOCK_SIZE, content.length)));
      }
    if (!read.equals(content)) return `content differs at byte ${read.findIndex((byte, at) => byte !== content[at])}`;
    const rest = Buffer.from(content);
    for (const { offset, length } of await view.allocated(0, content.length)) rest.fill(0, offset, offset + length);
    if (!rest.equals(Buffer.alloc(rest.length))) return 'a byte that is not zero is said to be a hole';
    return undefined;
  } finally {
    await view.close();
  }
};

/** The first thing wrong with any point of the history, of all its disks. */
export const compareAll = async (history: MachineHistory, cuts: readonly MadeCut[]): Promise<string | undefined> => {
  const made = new Map(cuts.map((cut) => [cut.pointId, cut]));
  for (const point of history.points) {
    const cut = made.get(point.id);
    if (cut === undefined) return `point ${point.id} was never made`;
    for (const diskId of point.disks) {
      const wrong = await compareView(history, cut, diskId);
      if (wrong !== undefined) return `point ${point.id}, disk ${diskId}: ${wrong}`;
    }
  }
  return undefined;
};
