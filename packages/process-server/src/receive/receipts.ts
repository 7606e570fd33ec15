import type { MessageInitShape } from '@bufbuild/protobuf';
import { idBytes, type JournaledSchema } from '@holdfast/protocol';

/** Tells an agent which cuts survive a crash of this server. */
export interface Receipts {
  /** `canWait`: told together with others, soon. Otherwise at once, with all that waited. */
  add(cutId: string, canWait: boolean): void;
  /** The stream is over: nothing more is told. */
  close(): void;
}

/** Milliseconds for which receipts are gathered at most, */
const LONGEST_GAP = 6000;
/** and the part of the RPO from which on there is an alert: an agent knows how far behind it is by what it was told. */
const PART = 1 / 10;

/** Milliseconds for which receipts of a machine may be gathered. `rpoThreshold`: from which RPO on there is an alert, milliseconds; 0: not known. */
export const receiptGap = (rpoThreshold: number): number => (rpoThreshold === 0 ? LONGEST_GAP : Math.min(LONGEST_GAP, PART * rpoThreshold));

/**
 * `gap`: milliseconds for which cuts that can wait are gathered, asked for again and again; with 0 each is told at once. What it costs a server to hear of thousands of machines that
 * nothing changes is messages: one of its own for each of theirs would be half of them.
 */
export const createReceipts = (gap: () => number, say: (journaled: MessageInitShape<typeof JournaledSchema>) => void): Receipts => {
  let waiting: string[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const ids = waiting.map(idBytes);
    waiting = [];
    say({ cutId: ids.at(-1)!, earlierCutIds: ids.slice(0, -1) });
  };
  return {
    add(cutId, canWait) {
      waiting.push(cutId);
      const patience = canWait ? gap() : 0;
      if (patience === 0) flush();
      else timer ??= setTimeout(flush, patience).unref();
    },
    close() {
      clearTimeout(timer);
      waiting = [];
    },
  };
};
