import { type CutContent, idText } from '@holdfast/protocol';
import { type Churn, createChurn } from './churn.ts';

/** What was committed since the start. */
export interface Figures {
  readonly points: number;
  /** Cuts that did not converge. */
  readonly conflicts: number;
  /** Bytes of disk. */
  readonly changedBytes: number;
  /** Blocks that were compared with the vault. */
  readonly checkedBlocks: number;
  readonly churn: Churn;
  /** Counts the cuts in the log that were not counted; true when a point is among them. */
  count(committed: readonly CutContent[]): boolean;
  countConflict(): void;
  countChecked(blocks: number): void;
}

export const createFigures = (): Figures => {
  const sums = { points: 0, conflicts: 0, changedBytes: 0, checkedBlocks: 0 };
  const churn = createChurn();
  let counted: CutContent | undefined;
  return {
    churn,
    get points() {
      return sums.points;
    },
    get conflicts() {
      return sums.conflicts;
    },
    get changedBytes() {
      return sums.changedBytes;
    },
    get checkedBlocks() {
      return sums.checkedBlocks;
    },
    count(committed) {
      const before = sums.points;
      // When the last one was freed, all that is left is newer.
      for (const content of committed.slice(counted === undefined ? 0 : committed.lastIndexOf(counted) + 1)) {
        counted = content;
        for (const { dataBytes, zeroBytes } of content.cut.epochs) sums.changedBytes += Number(dataBytes + zeroBytes);
        churn.take(content.cut);
        if (content.cut.point !== undefined) sums.points += 1;
      }
      return sums.points > before;
    },
    countConflict() {
      sums.conflicts += 1;
    },
    countChecked(blocks) {
      sums.checkedBlocks += blocks;
    },
  };
};

/**
 * Milliseconds since 1970 up to which all is durable: later cuts on the server's disk, as long as nothing changed in them, add to the newest durable
 * point. `committed`: what is not durable, oldest first.
 */
export const durableUpTo = (newestPoint: number, committed: readonly CutContent[], isJournaled: (cutId: string) => boolean): number => {
  let upTo = newestPoint;
  for (const { cut } of committed) {
    const isEmpty = cut.epochs.every(({ dataBytes, zeroBytes, unreadableBytes }) => dataBytes + zeroBytes + unreadableBytes === 0n);
    if (!isEmpty || cut.point === undefined || !isJournaled(idText(cut.id))) break;
    upTo = Number((cut.point.instant?.unixNanos ?? 0n) / 1_000_000n);
  }
  return upTo;
};

/** Bytes of disk in cuts that are at the source alone. */
export const bytesAtSource = (committed: readonly CutContent[], isJournaled: (cutId: string) => boolean): number => {
  let bytes = 0;
  for (const { cut } of committed) {
    if (isJournaled(idText(cut.id))) continue;
    for (const { dataBytes } of cut.epochs) bytes += Number(dataBytes);
  }
  return bytes;
};
