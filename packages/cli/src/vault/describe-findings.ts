import { affectedPoints, type Finding, type MachineHistory, pointDisks } from '@holdfast/vault';
import { machineLabel } from '../choose/choose-machine.ts';
import type { Part } from '../output/answer.ts';
import { formatCount, formatTime } from '../output/format.ts';

interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** Something wrong in the vault, with what it takes from whom. */
export interface DescribedFinding {
  readonly code: string;
  readonly object: string;
  readonly why: string;
  readonly machine: { readonly id: string; readonly name: string };
  readonly disk?: { readonly id: string; readonly name: string };
  readonly extents: readonly Extent[];
  /** Points that show it; with the bytes that cannot be read, or none where all of the disk may be concerned. */
  readonly points: readonly { readonly id: string; readonly time: string; readonly disk: string; readonly extents: readonly Extent[] }[];
}

/** Errors: STORE_UNAVAILABLE. */
export const describeFindings = async (history: MachineHistory, findings: readonly Finding[]): Promise<DescribedFinding[]> => {
  const names = new Map(history.points.flatMap((point) => pointDisks(history, point).map(({ id, name }) => [id, name] as const)));
  const times = new Map(history.points.map(({ id, time }) => [id, time]));
  const described: DescribedFinding[] = [];
  for (const finding of findings) {
    const { code, object, why, diskId, extents = [] } = finding;
    const points = (await affectedPoints(history, finding)).map((one) => ({
      id: one.pointId,
      time: formatTime(times.get(one.pointId) ?? 0),
      disk: one.diskId,
      extents: one.extents,
    }));
    described.push({
      code,
      object,
      why,
      machine: { id: history.machine.id, name: history.machine.name },
      ...(diskId !== undefined && { disk: { id: diskId, name: names.get(diskId) ?? diskId } }),
      extents,
      points,
    });
  }
  return described;
};

const NAMED = 3;

/** A line for the finding, and one for the points that it costs. */
export const findingLines = (history: MachineHistory, { code, object, why, disk, extents, points }: DescribedFinding): Part[] => {
  const named = extents.slice(0, NAMED).map(({ offset, length }) => `${length} bytes from ${offset}`);
  const more = extents.length > NAMED ? [`${extents.length - NAMED} more extents`] : [];
  const where = disk === undefined ? '' : `; disk ${disk.name}: ${[...named, ...more].join(', ')}`;
  const ids = [...new Set(points.map(({ id }) => id))];
  const shown =
    points.length === 0
      ? 'no point shows it'
      : `${formatCount(ids.length, 'point shows', 'points show')} it, from ${points[0]!.time} to ${points.at(-1)!.time}`;
  return [{ line: `${code} ${object}: ${why}; ${machineLabel(history.machine)}${where}` }, { line: `  ${shown}` }];
};
