import { totalmem } from 'node:os';

const MIB = 2 ** 20;
const USUAL = 128 * MIB;
/** Of a machine's memory: with the tracking it fits into the tenth of it that /run has on Debian. */
const SHARE = 16;

/** Bytes of memory for the log of changes: what the setting says, else what suits a machine with so much memory. */
export const logMemory = (setting: number | undefined, total = totalmem()): number =>
  setting ?? Math.min(USUAL, Math.floor(total / SHARE / MIB) * MIB);
