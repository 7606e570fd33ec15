import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE, contentDigest, createFrame, FRAME_DATA_LIMIT, type FrameExtent, serializeFrame } from '@holdfast/block';
import {
  CutSchema,
  EpochSchema,
  GenerationReason,
  GenerationSchema,
  idBytes,
  newId,
  Origin,
  PointKind,
  PointSchema,
} from '@holdfast/protocol';
import type { LogWriter } from '@holdfast/vault';
import { MIB } from './content.ts';
import type { FrameSource, Piece } from './frame-source.ts';

/** Bytes of the disk in one piece of a first copy. */
const PIECE = 16 * MIB;
/** Pieces that are not durable at most, when the next one is given to the writer. */
const UNDER_WAY = 3;
/** Pieces that are made at most before they are given to it. */
const AHEAD = 4;

interface CutOptions {
  /** True for a piece of a first copy that is not the last one. */
  readonly open?: boolean;
  /** The content digest of the frames. */
  readonly digest?: Uint8Array;
}

/** One disk of one machine, as its agent would send it. */
export class BenchSource {
  readonly machineId = newId();
  readonly diskId = newId();
  readonly #generationId = newId();
  readonly #size: number;
  #number = 0;
  /** The time of the next cut, milliseconds since 1970. */
  time = Date.UTC(2026, 0, 1);

  constructor(size: number) {
    this.#size = size;
  }

  /** Appends a cut with these frames; resolves when it is durable. */
  async cut(
    writer: LogWriter,
    frames: readonly Uint8Array[],
    { open = false, digest = contentDigest(frames) }: CutOptions = {},
  ): Promise<void> {
    const cutId = idBytes(newId());
    const epochRef = { generationId: idBytes(this.#generationId), number: BigInt(this.#number) };
    const instant = { unixNanos: BigInt(this.time) * 1_000_000n };
    const epoch = create(EpochSchema, {
      ...epochRef,
      diskId: idBytes(this.diskId),
      cutId,
      diskSize: BigInt(this.#size),
      instant,
      open,
      contentDigest: Uint8Array.from(digest),
      frameCount: BigInt(frames.length),
    });
    const generation = create(GenerationSchema, {
      id: idBytes(this.#generationId),
      diskId: idBytes(this.diskId),
      reason: GenerationReason.FIRST_COPY,
      origin: Origin.SOURCE,
    });
    const cut = create(CutSchema, {
      id: cutId,
      machineId: idBytes(this.machineId),
      generations: this.#number === 0 ? [generation] : [],
      epochs: [epoch],
    });
    if (!open)
      cut.point = create(PointSchema, {
        id: idBytes(newId()),
        cutId,
        kind: PointKind.CRASH,
        instant,
        members: [{ diskId: idBytes(this.diskId), epoch: epochRef }],
      });
    this.#number += 1;
    // As a process server hands them on: it compared them with their digests when they came in, and bench `replicate` has what that takes.
    await writer.append({
      verified: true,
      cut,
      frames: async function* () {
        yield* frames;
      },
    });
  }

  /** Appends a whole image, in pieces, as a first copy does: the frames of the next pieces are made while one is written. */
  async copy(writer: LogWriter, image: string, frames: FrameSource): Promise<void> {
    const starts = Array.from({ length: Math.ceil(this.#size / PIECE) }, (_, i) => i * PIECE);
    const make = (i: number): Promise<Piece> | undefined => {
      const start = starts[i];
      return start === undefined ? undefined : frames.make(image, start, Math.min(start + PIECE, this.#size));
    };
    const making = Array.from({ length: AHEAD }, (_, i) => make(i));
    const appended: Promise<void>[] = [];
    for (const i of starts.keys()) {
      const made = (await making[i])!;
      await appended[i - UNDER_WAY];
      making.push(make(i + AHEAD));
      appended[i] = this.cut(writer, made.frames, { open: i < starts.length - 1, digest: made.digest }).then(made.done);
      appended[i].catch(() => {});
    }
    await Promise.all(appended);
  }
}

/** Frames of 4 KiB blocks. `data` holds them one after the other. */
export const blockFrames = async (blocks: readonly number[], data: Buffer): Promise<Uint8Array[]> => {
  const frames: Uint8Array[] = [];
  const most = FRAME_DATA_LIMIT / BLOCK_SIZE;
  for (let at = 0; at < blocks.length; at += most) {
    const part = blocks.slice(at, at + most);
    const extents = part.map((block): FrameExtent => ({ offset: block * BLOCK_SIZE, length: BLOCK_SIZE, kind: 'data' }));
    frames.push(serializeFrame(await createFrame(extents, data.subarray(at * BLOCK_SIZE, (at + part.length) * BLOCK_SIZE))));
  }
  return frames;
};
