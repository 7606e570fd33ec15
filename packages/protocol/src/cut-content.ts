import type { Cut } from './gen/holdfast/v1/lineage_pb.ts';

/** A committed cut together with the data of its epochs. */
export interface CutContent {
  readonly cut: Cut;
  /**
   * The serialized frames (format: docs/format.md, "Frame") of `cut.epochs[index]` in order; within an epoch a later frame wins over an
   * earlier one. May be called again, for a retry, and gives the same bytes every time.
   */
  frames(index: number): AsyncIterable<Uint8Array>;
  /** True: the frames were checked on their way here, each by itself and all by the content digests, and are authentic since. */
  readonly verified?: boolean;
  /** True: each frame it gives is a copy for who asked, who may do with its memory what it likes. */
  readonly handsOver?: boolean;
}
