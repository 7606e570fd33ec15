import type { EpochRef } from '@holdfast/protocol';
import { idText } from '@holdfast/protocol';
import { diskDifference } from './difference.ts';
import { mapDisk, type Piece } from './disk-map.ts';
import type { MachineHistory, RecoveryPoint } from './history.ts';

/**
 * Of the data by which a point differs from an earlier one, the share that lies where there was data before; 0 where nothing differs. Reads indexes and no data. Errors: DAMAGED.
 */
export const overwrittenShare = async (history: MachineHistory, from: RecoveryPoint, to: RecoveryPoint): Promise<number> => {
  let written = 0;
  let overwritten = 0;
  const earlier = new Map(from.point.members.map(({ diskId, epoch }) => [idText(diskId), epoch!]));
  for (const { diskId, epoch } of to.point.members) {
    const before = earlier.get(idText(diskId));
    if (before === undefined) continue;
    const share = await ofDisk(history, idText(diskId), before, epoch!);
    written += share.written;
    overwritten += share.overwritten;
  }
  return written === 0 ? 0 : overwritten / written;
};

const ofDisk = async (history: MachineHistory, diskId: string, from: EpochRef, to: EpochRef) => {
  const [before, after] = [await mapDisk(history, diskId, from), await mapDisk(history, diskId, to)];
  let written = 0;
  let overwritten = 0;
  for await (const { offset, length } of (await diskDifference(history, diskId, from, to)).extents)
    for (const { start, end } of await after.find(offset, offset + length)) {
      written += end - start;
      overwritten += (await before.find(start, end)).reduce((sum: number, piece: Piece) => sum + piece.end - piece.start, 0);
    }
  return { written, overwritten };
};
