import { idText } from '@holdfast/protocol';
import type { EpochEntry, MachineHistory, RecoveryPoint } from './history.ts';

/** What a machine wrote between the point before and this one. Bytes. */
export interface PointChange {
  readonly point: RecoveryPoint;
  /** Data, and ranges that read as zeroes since. */
  readonly dataBytes: number;
  readonly zeroBytes: number;
  /** As it travelled, compressed. */
  readonly storedBytes: number;
  /** Data that compression made no smaller; undefined where it was not told. */
  readonly incompressibleBytes: number | undefined;
  /** A disk was copied or compared anew in between: then it tells of that, and not of what the machine wrote. */
  readonly isCopy: boolean;
  /** False where epochs in between were thinned: it was at least this much. */
  readonly isWhole: boolean;
}

/** The change of every point, oldest first, by the records of epochs alone: no data and no index is read. */
export const pointChanges = ({ points, generations }: Pick<MachineHistory, 'points' | 'generations'>): PointChange[] => {
  /** Of each disk, what the point before it held. */
  const before = new Map<string, { generationId: string; number: number }>();
  const walks = new Map<string, number>();
  return points.map((point) => {
    const sum = { dataBytes: 0, zeroBytes: 0, storedBytes: 0, incompressibleBytes: 0, told: 0, count: 0 };
    let isCopy = false;
    let isWhole = true;
    for (const { diskId, epoch } of point.point.members) {
      const disk = idText(diskId);
      const generationId = idText(epoch!.generationId);
      const number = Number(epoch!.number);
      const last = before.get(disk);
      const isSame = last?.generationId === generationId;
      if (!isSame) isCopy = true;
      before.set(disk, { generationId, number });
      const all = generations.get(generationId)?.epochs ?? [];
      const wanted = isSame ? number - last.number : number + 1;
      let at = isSame ? (walks.get(generationId) ?? 0) : 0;
      let seen = 0;
      for (; at < all.length && Number(all[at]!.epoch.number) <= number; at += 1) {
        if (isSame && Number(all[at]!.epoch.number) <= last.number) continue;
        seen += 1;
        add(sum, all[at]!);
      }
      walks.set(generationId, at);
      if (seen < wanted) isWhole = false;
    }
    const { dataBytes, zeroBytes, storedBytes, incompressibleBytes, told, count } = sum;
    return {
      point,
      dataBytes,
      zeroBytes,
      storedBytes,
      incompressibleBytes: told === count ? incompressibleBytes : undefined,
      isCopy,
      isWhole,
    };
  });
};

interface Sum {
  dataBytes: number;
  zeroBytes: number;
  storedBytes: number;
  incompressibleBytes: number;
  told: number;
  count: number;
}

const add = (sum: Sum, { epoch }: EpochEntry): void => {
  const data = Number(epoch.dataBytes);
  const stored = Number(epoch.storedBytes);
  const incompressible = Number(epoch.incompressibleBytes);
  sum.dataBytes += data;
  sum.zeroBytes += Number(epoch.zeroBytes);
  sum.storedBytes += stored;
  sum.incompressibleBytes += incompressible;
  if (data === 0) return;
  sum.count += 1;
  // An agent that compresses nothing stores no less than there is, and calls nothing incompressible.
  if (stored > 0 && (incompressible > 0 || stored < data)) sum.told += 1;
};
