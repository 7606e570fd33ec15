import { isHoldfastError } from '@holdfast/errors';
import { idText } from '@holdfast/protocol';
import { mapDisk } from './disk-map.ts';
import type { Finding } from './finding.ts';
import type { MachineHistory } from './history.ts';

/** A point that a finding takes something from. */
export interface AffectedPoint {
  readonly pointId: string;
  readonly diskId: string;
  /** Bytes of the disk that cannot be read at this point; empty where it cannot be told: perhaps none of it can. */
  readonly extents: readonly { readonly offset: number; readonly length: number }[];
}

/** Where frames are kept, by what views call the place. */
const PLACE = /^m\/[0-9a-f]{32}\/(log\/0*(?<slot>\d+)|parts\/(?<part>[0-9a-f]{32})|runs\/[0-9a-f]{32})$/;

/**
 * Which points show a finding, and where: those are all that is lost by it. None when everything it damaged was written again before the next point, or
 * was forgotten since. Errors: STORE_UNAVAILABLE.
 */
export const affectedPoints = async (history: MachineHistory, { object, diskId, frame, extents }: Finding): Promise<AffectedPoint[]> => {
  const { groups } = PLACE.exec(object) ?? {};
  if (groups === undefined) return [];
  const key = groups.part ?? groups.slot;
  const affected: AffectedPoint[] = [];
  /** By epoch: several points may be of one. */
  const known = new Map<string, AffectedPoint['extents'] | undefined>();
  for (const { id: pointId, point } of history.points) {
    for (const { diskId: member, epoch } of point.members) {
      const ofDisk = idText(member);
      if (diskId !== undefined && ofDisk !== diskId) continue;
      const state = `${ofDisk} ${idText(epoch!.generationId)} ${epoch!.number}`;
      if (!known.has(state)) known.set(state, await lostOf(ofDisk, epoch!));
      const lost = known.get(state);
      if (lost !== undefined) affected.push({ pointId, diskId: ofDisk, extents: lost });
    }
  }
  return affected;

  async function lostOf(ofDisk: string, epoch: Parameters<typeof mapDisk>[2]): Promise<AffectedPoint['extents'] | undefined> {
    try {
      const map = await mapDisk(history, ofDisk, epoch);
      const lost: { offset: number; length: number }[] = [];
      for (const { offset, length } of extents ?? [{ offset: 0, length: map.size }])
        for (const piece of await map.find(offset, Math.min(offset + length, map.size)))
          if (piece.handle.key === key && (frame === undefined || piece.frame === frame))
            lost.push({ offset: piece.start, length: piece.end - piece.start });
      return lost.length === 0 ? undefined : lost;
    } catch (reason) {
      // What says where the bytes are is damaged itself.
      if (!isHoldfastError(reason, 'DAMAGED')) throw reason;
      return [];
    }
  }
};
