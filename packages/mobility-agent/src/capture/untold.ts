import { HoldfastError } from '@holdfast/errors';

const lost = (disk: number, why: string, remedy: string): HoldfastError =>
  new HoldfastError('CONTINUITY_LOST', { thing: `disk ${disk}`, why, remedy });

/** A write belongs to a cut that is published already. */
export const toldTooLate = (disk: number, nanoseconds: number): HoldfastError =>
  lost(
    disk,
    `the kernel told of a write ${(nanoseconds / 1e6).toFixed(1)} ms late, after the cut it belongs to was published`,
    'a resynchronization follows by itself; points made before stay good',
  );

/** Of a write to a disk without requests not all was told that must be. */
export const toldInPart = (disk: number, what: string): HoldfastError =>
  lost(
    disk,
    `the kernel told ${what}`,
    'a resynchronization follows by itself; if it happens again, protect what this disk is made of instead, and report this',
  );
