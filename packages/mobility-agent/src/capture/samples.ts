import { type Extent, knownDigests } from '@holdfast/block';
import type { DiskStateRef } from '../hrl/hrl.ts';

/** Blocks of a disk as a cut holds them, to be compared with what the vault makes of it. */
export interface Sample {
  readonly diskId: string;
  /** The epoch of the cut. */
  readonly state: DiskStateRef;
  readonly range: Extent;
  /**
   * The digests of blocks that no epoch up to now has changed since: any state of the generation from `state` on has them. Undefined when the
   * generation has ended.
   */
  unchanged(): ReadonlyMap<number, Uint8Array> | undefined;
  /** Nobody asks any more. */
  close(): void;
}

/** The samples of one capture that are still asked about. */
export interface Samples {
  take(diskId: string, state: DiskStateRef, range: Extent, blocks: ReadonlyMap<number, Uint8Array>): Sample;
  /** An epoch that has these blocks follows. */
  committed(diskId: string, state: DiskStateRef, hasBlock: (block: number) => boolean): void;
}

interface Taken extends Sample {
  readonly digests: Map<number, Uint8Array>;
  isOver: boolean;
}

export const createSamples = (): Samples => {
  const open = new Set<Taken>();
  return {
    take(diskId, state, range, blocks) {
      const digests = new Map([...blocks].map(([block, bytes]) => [block, knownDigests(bytes)]));
      const taken: Taken = {
        diskId,
        state,
        range,
        digests,
        isOver: false,
        unchanged: () => (taken.isOver ? undefined : digests),
        close: () => void open.delete(taken),
      };
      open.add(taken);
      return taken;
    },
    committed(diskId, { generationId }, hasBlock) {
      for (const sample of open) {
        if (sample.diskId !== diskId) continue;
        if (sample.state.generationId !== generationId) sample.isOver = true;
        for (const block of sample.digests.keys()) if (hasBlock(block)) sample.digests.delete(block);
      }
    },
  };
};
