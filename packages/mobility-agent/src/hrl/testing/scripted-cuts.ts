import { randomBytes } from 'node:crypto';
import zlib from 'node:zlib';
import { create } from '@bufbuild/protobuf';
import {
  type Cut,
  CutSchema,
  type Epoch,
  EpochSchema,
  GenerationReason,
  GenerationSchema,
  idBytes,
  idText,
  ManifestSchema,
  newId,
  Origin,
  PointKind,
  PointSchema,
} from '@holdfast/protocol';
import type { Hrl, HrlCutWriter, HrlHead } from '../hrl.ts';

export const MACHINE = '0123456789abcdef0123456789abcdef';
export const DISKS = ['a'.repeat(32), 'b'.repeat(32)] as const;

/** What a cut is to hold: for each disk the sizes of its frames. */
export type CutShape = readonly (readonly number[])[];

export interface ScriptedCut {
  readonly id: string;
  /** Number of frames of each epoch. */
  readonly frameCounts: readonly number[];
  /** Stands for its id and every byte of its frames, in order; cheap to compare. */
  readonly print: string;
}

const printOf = (id: string, frames: readonly (readonly Uint8Array[])[]): string =>
  `${id} ${frames.map((list) => list.map((frame) => `${frame.length}:${zlib.crc32(frame)}`).join(',')).join(' | ')}`;

/** Appends random frames of the given sizes, disk by disk in turns, and gives back what the cut must hold. */
export const appendFrames = (writer: HrlCutWriter, shape: CutShape): ScriptedCut => {
  const frames = shape.map((sizes) => sizes.map((size) => randomBytes(size)));
  const longest = Math.max(0, ...shape.map(({ length }) => length));
  for (let turn = 0; turn < longest; turn += 1) {
    for (const [index, list] of frames.entries()) {
      const frame = list[turn];
      if (frame !== undefined) writer.append(index, frame);
    }
  }
  const id = newId();
  return { id, frameCounts: frames.map(({ length }) => length), print: printOf(id, frames) };
};

/** The cut that follows the heads: the next epoch of every disk, a first generation where there is none or it ended, and a point. */
export const nextCut = (heads: ReadonlyMap<string, HrlHead>, writer: HrlCutWriter, { id, frameCounts }: ScriptedCut): Cut => {
  const generations = frameCounts.flatMap((_, index) => {
    const head = heads.get(DISKS[index]!);
    if (head !== undefined && !head.ended) return [];
    const reason = GenerationReason.FIRST_COPY;
    return create(GenerationSchema, { id: idBytes(newId()), diskId: idBytes(DISKS[index]!), reason, origin: Origin.SOURCE });
  });
  const epochs: Epoch[] = frameCounts.map((count, index) => {
    const diskId = DISKS[index]!;
    const head = heads.get(diskId);
    const started = generations.find((generation) => Buffer.compare(generation.diskId, idBytes(diskId)) === 0);
    return create(EpochSchema, {
      diskId: idBytes(diskId),
      generationId: started?.id ?? idBytes(head!.generationId),
      number: started === undefined ? BigInt(head!.number + 1) : 0n,
      cutId: idBytes(id),
      diskSize: 1n << 30n,
      contentDigest: writer.epochDigest(index),
      frameCount: BigInt(count),
    });
  });
  const members = epochs.map(({ diskId, generationId, number }) => ({ diskId, epoch: { generationId, number } }));
  const point = create(PointSchema, { id: idBytes(newId()), cutId: idBytes(id), kind: PointKind.CRASH, members });
  const manifest = create(ManifestSchema, { id: idBytes(newId()), machineName: id });
  return create(CutSchema, { id: idBytes(id), machineId: idBytes(MACHINE), generations, epochs, point, manifest });
};

/** Writes and commits a whole cut. */
export const commitCut = (hrl: Hrl, shape: CutShape): ScriptedCut => {
  const writer = hrl.begin();
  const scripted = appendFrames(writer, shape);
  writer.commit(nextCut(hrl.heads(), writer, scripted));
  return scripted;
};

/** The prints of all committed cuts, read back. */
export const readBack = async (hrl: Hrl): Promise<string[]> => {
  const prints: string[] = [];
  for (const content of hrl.committed()) {
    const frames: Uint8Array[][] = [];
    for (const index of content.cut.epochs.keys()) {
      const list: Uint8Array[] = [];
      for await (const frame of content.frames(index)) list.push(frame);
      frames.push(list);
    }
    prints.push(printOf(idText(content.cut.id), frames));
  }
  return prints;
};
