import { createHash } from 'node:crypto';

/** Rows kept, of all disks together; older ones are deleted in the same commit, so that a long run needs bounded room. */
export const ROWS_KEPT = 40_000;

/** One writer alternates between the disks: step `sequence` goes to this one of `disks` many. */
export const diskOfStep = (sequence: number, disks: number): number => sequence % disks;

const LONGEST_BODY = 1200;

/** The content of a row, known from its number alone: 16 to 1200 bytes. */
export const rowBody = (seed: number, sequence: number): Buffer => {
  const digest = createHash('sha256').update(`${seed}/${sequence}`).digest();
  const length = 16 + (digest.readUInt16LE(0) % (LONGEST_BODY - 15));
  return Buffer.alloc(length, digest);
};

/** The rows disk `disk` holds once steps 1 to `last` were committed: the first and the last of them; no rows when the last is below the first. */
export const rowsOfDisk = (disk: number, last: number, disks: number): { readonly first: number; readonly last: number } => {
  const newest = last - ((((last - disk) % disks) + disks) % disks);
  const oldestKept = Math.max(1, newest - ROWS_KEPT + 1);
  return { first: oldestKept + ((((disk - oldestKept) % disks) + disks) % disks), last: newest };
};
