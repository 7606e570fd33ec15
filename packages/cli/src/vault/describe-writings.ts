import { type MachineHistory, overwrittenShare, pointChanges, SUSPICIOUS_SHARE, unusualWriting } from '@holdfast/vault';
import { orStopped } from '../or-stopped.ts';
import type { Part } from '../output/answer.ts';
import { formatBytes, formatTime } from '../output/format.ts';
import type { Surroundings } from '../surroundings.ts';

/** A time in which a machine wrote as it never did before. */
export interface WritingDescription {
  /** UTC: of the first and the last point of it. */
  readonly from: string;
  readonly to: string;
  /** The last point before it; empty when there is none. */
  readonly pointBefore: string;
  readonly timeBefore: string;
  readonly dataBytes: number;
  readonly incompressibleBytes: number;
  /** Incompressible bytes in five minutes that are usual, at most. */
  readonly usualBytes: number;
  /** Of what differs at its end, the share that lies where there was data before; absent where there is no point before. */
  readonly overwrittenShare?: number;
  /** Most of it lies over what was there. */
  readonly suspicious: boolean;
}

/** Indexes are read for the newest only. */
const NEWEST = 3;

/** The newest times of unusual writing, newest first. */
export const describeWritings = async ({ stop }: Surroundings, history: MachineHistory): Promise<WritingDescription[]> => {
  const described: WritingDescription[] = [];
  for (const { first, last, before, dataBytes, incompressibleBytes, usualBytes } of unusualWriting(pointChanges(history))
    .slice(-NEWEST)
    .reverse()) {
    const share = before && (await orStopped(stop, overwrittenShare(history, before.point, last.point)));
    described.push({
      from: formatTime(first.point.time),
      to: formatTime(last.point.time),
      pointBefore: before?.point.id ?? '',
      timeBefore: before === undefined ? '' : formatTime(before.point.time),
      dataBytes,
      incompressibleBytes,
      usualBytes,
      ...(share !== undefined && { overwrittenShare: share }),
      suspicious: (share ?? 0) >= SUSPICIOUS_SHARE,
    });
  }
  return described;
};

export const tellWriting = (writing: WritingDescription): Part[] => [
  {
    line: `${writing.suspicious ? 'SUSPICIOUS' : 'Unusual'} writing from ${writing.from} to ${writing.to}: ${formatBytes(writing.incompressibleBytes)} that do not compress (usual within 5 min: ${formatBytes(writing.usualBytes)})${
      writing.overwrittenShare === undefined ? '' : `, ${Math.round(writing.overwrittenShare * 100)} % over data that was there`
    }.`,
  },
  ...(writing.pointBefore === '' ? [] : [{ line: `Last point before it: ${writing.pointBefore} of ${writing.timeBefore}` }]),
];
