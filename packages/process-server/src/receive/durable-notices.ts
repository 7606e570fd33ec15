import type { MessageInitShape } from '@bufbuild/protobuf';
import { type DurableSchema, idBytes } from '@holdfast/protocol';
import type { Anchor } from '@holdfast/vault';

/** Tells an agent what became durable. */
export interface DurableNotices {
  add(cutId: string, anchor: Anchor): void;
}

export const anchorMessage = ({ sequence, tag, term }: Anchor) => ({
  sequence: BigInt(sequence),
  tag: Uint8Array.from(Buffer.from(tag, 'hex')),
  term: BigInt(term),
});

/** Cuts told in one message at most: messages are bounded, and an object may end any number of cuts. */
const MOST_TOLD = 10_000;

/** `gathered`: cuts that became durable in one moment, as those of one object do, are one message; else each is one. */
export const createDurableNotices = (gathered: boolean, say: (durable: MessageInitShape<typeof DurableSchema>) => void): DurableNotices => {
  let waiting: { readonly cutId: string; readonly anchor: Anchor }[] = [];
  const flush = (): void => {
    const all = waiting;
    waiting = [];
    for (let first = 0; first < all.length; first += MOST_TOLD) {
      const told = all.slice(first, first + MOST_TOLD);
      const ids = told.map(({ cutId }) => idBytes(cutId));
      say({ cutId: ids.at(-1)!, anchor: anchorMessage(told.at(-1)!.anchor), earlierCutIds: ids.slice(0, -1) });
    }
  };
  return {
    add(cutId, anchor) {
      waiting.push({ cutId, anchor });
      if (!gathered) flush();
      else if (waiting.length === 1) setImmediate(flush);
    },
  };
};
