import type { Cut } from '@holdfast/protocol';

/** How much of a machine's disks changes a second. */
export interface Churn {
  /** Seconds in which less than `CHURN_BOUNDS[i]` bytes changed a second and not less than the bound before; the last: all above. */
  readonly seconds: readonly number[];
  /** Most bytes a second, mean over the time between two points. */
  readonly peak: number;
  /** The next cut. */
  take(cut: Pick<Cut, 'epochs' | 'generations' | 'point'>): void;
}

const MEGABYTE = 1_000_000;
/** Bytes a second. 54 MB/s is what Azure Site Recovery takes of one machine at most. */
export const CHURN_BOUNDS: readonly number[] = [1, 2, 5, 10, 20, 54, 100].map((megabytes) => megabytes * MEGABYTE);

/** Counts from point to point; what is copied for the first time, or compared, is no change. */
export const createChurn = (): Churn => {
  const seconds = [...CHURN_BOUNDS, Number.POSITIVE_INFINITY].map(() => 0);
  let peak = 0;
  let bytes = 0;
  let last: bigint | undefined;
  return {
    seconds,
    get peak() {
      return peak;
    },
    take({ epochs, generations, point }) {
      if (generations.length > 0 || epochs.some(({ open }) => open)) {
        bytes = 0;
        last = undefined;
      } else for (const { dataBytes, zeroBytes } of epochs) bytes += Number(dataBytes + zeroBytes);
      const instant = point?.instant?.unixNanos;
      if (instant === undefined) return;
      const passed = last === undefined ? 0 : Number(instant - last) / 1e9;
      if (passed > 0) {
        const rate = bytes / passed;
        const bucket = CHURN_BOUNDS.findIndex((bound) => rate < bound);
        seconds[bucket < 0 ? CHURN_BOUNDS.length : bucket]! += passed;
        peak = Math.max(peak, rate);
      }
      last = instant;
      bytes = 0;
    },
  };
};
