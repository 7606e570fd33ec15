import type { BlockDevice, Extent } from '@holdfast/block';

/** A run of bytes which may hold data, or which reads as zeroes and takes no room. */
export interface StatusRun {
  length: number;
  readonly data: boolean;
}

/** Bytes asked of the device first; a device of many small extents would have much to say about a large range. */
const FIRST_WINDOW = 16 * 1024 * 1024;
const LAST_WINDOW = 256 * 1024 * 1024;

/**
 * Describes a range of at least one byte from its start in at most `limit` runs, which cover all of it or less. Asks the device for growing
 * windows and stops when it has enough to tell.
 */
export const describeRange = async (device: BlockDevice, offset: number, length: number, limit: number): Promise<StatusRun[]> => {
  const runs: StatusRun[] = [];
  const end = offset + length;
  for (let at = offset, window = FIRST_WINDOW; at < end && runs.length <= limit; window = Math.min(4 * window, LAST_WINDOW)) {
    const stop = Math.min(end, at + window);
    for (const run of runsOf(await device.allocated(at, stop - at), at, stop)) {
      const last = runs.at(-1);
      if (last?.data === run.data) last.length += run.length;
      else runs.push(run);
    }
    at = stop;
  }
  return runs.slice(0, limit);
};

function* runsOf(extents: readonly Extent[], start: number, stop: number): IterableIterator<StatusRun> {
  let at = start;
  for (const { offset, length } of extents) {
    if (offset > at) yield { length: offset - at, data: false };
    yield { length, data: true };
    at = offset + length;
  }
  if (at < stop) yield { length: stop - at, data: false };
}
