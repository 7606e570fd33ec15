import { create } from '@bufbuild/protobuf';
import type { CodecName } from '@holdfast/block';
import { type Epoch, EpochSchema, type Instant, idBytes } from '@holdfast/protocol';
import { createFramePacker, type FramePacker } from '../frames/frame-packer.ts';
import type { HrlCutWriter } from '../hrl/hrl.ts';
import type { RoundDisk } from './convergence.ts';
import type { Lineage } from './lineage.ts';
import { createStaging } from './staging.ts';

/** One disk of a cut in the making: what was read of it, on its way into frames. */
export interface MemberDisk extends RoundDisk {
  readonly lineage: Lineage;
  /** Everything staged becomes frames; tells the epoch they make. */
  finish(state: { readonly open: boolean; readonly covered: number; readonly cutId: string; readonly instant: Instant }): Promise<Epoch>;
}

export interface MemberOptions {
  readonly index: number;
  readonly lineage: Lineage;
  readonly diskSize: number;
  readonly codec: CodecName;
  /** Gets the frames, as epoch `epochIndex` of the cut. */
  readonly writer: HrlCutWriter;
  readonly epochIndex: number;
}

/** A member of a cut whose frames go to `writer`. */
export const createMember = ({ index, lineage, diskSize, codec, writer, epochIndex }: MemberOptions): MemberDisk => {
  const staging = createStaging(diskSize);
  const packer: FramePacker = createFramePacker({ codec, emit: (frame) => writer.append(epochIndex, frame) });
  return {
    index,
    lineage,
    staging,
    spill: () => staging.flush(packer),
    finish: async ({ open, covered, cutId, instant }) => {
      await staging.flush(packer);
      const counters = await packer.finish();
      return create(EpochSchema, {
        diskId: idBytes(lineage.diskId),
        generationId: idBytes(lineage.generationId),
        number: BigInt(lineage.next),
        cutId: idBytes(cutId),
        diskSize: BigInt(diskSize),
        instant,
        open,
        coveredThrough: open ? BigInt(covered) : 0n,
        dataBytes: BigInt(counters.dataBytes),
        zeroBytes: BigInt(counters.zeroBytes),
        unreadableBytes: BigInt(counters.unreadableBytes),
        frameCount: BigInt(counters.frames),
        contentDigest: writer.epochDigest(epochIndex),
      });
    },
  };
};
