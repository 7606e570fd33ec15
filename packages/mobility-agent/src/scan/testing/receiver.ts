import { type CutContent, type EpochRef, idText } from '@holdfast/protocol';
import { applyFrames } from '../../frames/testing/apply-frames.ts';

/** Applies cuts as a vault would: what the disks are at every closed epoch. */
export interface Receiver {
  receive(content: CutContent): Promise<void>;
  /** The disk after that epoch. Throws when the epoch makes no state. */
  state(epoch: EpochRef): Buffer;
}

const keyOf = ({ generationId, number }: EpochRef): string => `${idText(generationId)}:${number}`;

export const createReceiver = (): Receiver => {
  const states = new Map<string, Buffer>();
  /** What the epochs of a generation have made so far. */
  const disks = new Map<string, Buffer>();
  const state = (epoch: EpochRef): Buffer => {
    const found = states.get(keyOf(epoch));
    if (found === undefined) throw new Error(`epoch ${keyOf(epoch)} makes no state`);
    return found;
  };
  return {
    state,
    async receive(content) {
      for (const generation of content.cut.generations) {
        const base = generation.parent === undefined ? Buffer.alloc(0) : state(generation.parent);
        disks.set(idText(generation.id), Buffer.from(base));
      }
      for (const [index, epoch] of content.cut.epochs.entries()) {
        const id = idText(epoch.generationId);
        const before = disks.get(id);
        if (before === undefined) throw new Error(`generation ${id} was never announced`);
        // What a grown disk has behind the end of the state below is not zero until it is said to be.
        const disk = Buffer.alloc(Number(epoch.diskSize), before.length === 0 ? 0 : 0xa5);
        before.copy(disk);
        const frames: Uint8Array[] = [];
        for await (const frame of content.frames(index)) frames.push(frame);
        await applyFrames(frames, disk);
        disks.set(id, disk);
        if (!epoch.open)
          states.set(keyOf({ $typeName: 'holdfast.v1.EpochRef', generationId: epoch.generationId, number: epoch.number }), disk);
      }
    },
  };
};
