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

/** `gathered`: cuts that became durable in one moment, as those of one object do, are one message; else each is one. */
export const createDurableNotices = (gathered: boolean, say: (durable: MessageInitShape<typeof DurableSchema>) => void): DurableNotices => {
  let waiting: { readonly cutId: string; readonly anchor: Anchor }[] = [];
  const flush = (): void => {
    const ids = waiting.map(({ cutId }) => idBytes(cutId));
    const { anchor } = waiting.at(-1)!;
    waiting = [];
    say({ cutId: ids.at(-1)!, anchor: anchorMessage(anchor), earlierCutIds: ids.slice(0, -1) });
  };
  return {
    add(cutId, anchor) {
      waiting.push({ cutId, anchor });
      if (!gathered) flush();
      else if (waiting.length === 1) setImmediate(flush);
    },
  };
};
