import { create } from '@bufbuild/protobuf';
import { type CodecName, frameCrc } from '@holdfast/block';
import {
  type Cut,
  CutSchema,
  type Epoch,
  EpochSchema,
  type Instant,
  idBytes,
  type Manifest,
  newId,
  type Point,
  type PointKind,
  PointSchema,
} from '@holdfast/protocol';
import { createFramePacker, type FramePacker } from '../frames/frame-packer.ts';
import type { HrlCutWriter } from '../hrl/hrl.ts';
import type { Lineage } from './lineage.ts';
import type { RoundDisk } from './rounds.ts';
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
  const packer: FramePacker = createFramePacker({ codec, emit: (frame) => writer.append(epochIndex, frame, frameCrc(frame)) });
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
        storedBytes: BigInt(counters.storedBytes),
        incompressibleBytes: BigInt(counters.incompressibleBytes),
        frameCount: BigInt(counters.frames),
        contentDigest: writer.epochDigest(epochIndex),
      });
    },
  };
};

/** The cut of these members, whose generations begin with it where they are new. */
export const cutOf = (parts: {
  readonly cutId: string;
  readonly machineId: string;
  readonly members: readonly MemberDisk[];
  readonly epochs: Epoch[];
}): Cut =>
  create(CutSchema, {
    id: idBytes(parts.cutId),
    machineId: idBytes(parts.machineId),
    generations: parts.members.flatMap(({ lineage }) => lineage.generation ?? []),
    epochs: parts.epochs,
  });

/** The recovery point of a cut; `notYetCopied` and `excluded` are ids of the machine's other disks. */
export const pointOf = (
  { id, epochs }: Cut,
  about: {
    readonly kind: PointKind;
    readonly time: Instant;
    readonly manifest: Manifest;
    readonly notYetCopied: readonly string[];
    readonly excluded: readonly string[];
  },
): Point =>
  create(PointSchema, {
    id: idBytes(newId()),
    cutId: id,
    kind: about.kind,
    instant: about.time,
    members: epochs.map(({ diskId, generationId, number }) => ({ diskId, epoch: { generationId, number } })),
    disksNotYetCopied: about.notYetCopied.map(idBytes),
    disksExcluded: about.excluded.map(idBytes),
    manifestId: about.manifest.id,
    unreadableBytes: epochs.reduce((sum, epoch) => sum + epoch.unreadableBytes, 0n),
  });
