import type { MessageInitShape } from '@bufbuild/protobuf';
import { idBytes, type JournaledSchema } from '@holdfast/protocol';

/** Tells an agent which cuts survive a crash of this server. */
export interface Receipts {
  /** `canWait`: told together with others, soon. Otherwise at once, with all that waited. */
  add(cutId: string, canWait: boolean): void;
  /** The stream is over: nothing more is told. */
  close(): void;
}

/**
 * `gap`: milliseconds for which cuts that can wait are gathered; with 0 each is told at once. What it costs a server to hear of thousands of machines that
 * nothing changes is messages: one of its own for each of theirs would be half of them.
 */
export const createReceipts = (gap: number, say: (journaled: MessageInitShape<typeof JournaledSchema>) => void): Receipts => {
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
      if (gap === 0 || !canWait) flush();
      else timer ??= setTimeout(flush, gap).unref();
    },
    close() {
      clearTimeout(timer);
      waiting = [];
    },
  };
};
