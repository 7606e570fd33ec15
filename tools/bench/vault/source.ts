import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE, createFrame, FRAME_DATA_LIMIT, type FrameExtent, serializeFrame } from '@holdfast/block';
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

/** Bytes of the disk in one piece of a first copy. */
const PIECE = 32 * MIB;
/** Frames made at the same time: compressing is done by the threads of libuv. */
const AHEAD = 8;
const ZEROES = Buffer.alloc(FRAME_DATA_LIMIT);

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
  async cut(writer: LogWriter, frames: readonly Uint8Array[], open = false): Promise<void> {
    const cutId = idBytes(newId());
    const epochRef = { generationId: idBytes(this.#generationId), number: BigInt(this.#number) };
    const instant = { unixNanos: BigInt(this.time) * 1_000_000n };
    const hash = createHash('sha256');
    for (const frame of frames) hash.update(frame);
    const epoch = create(EpochSchema, {
      ...epochRef,
      diskId: idBytes(this.diskId),
      cutId,
      diskSize: BigInt(this.#size),
      instant,
      open,
      contentDigest: hash.digest(),
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
    await writer.append({
      cut,
      frames: async function* () {
        yield* frames;
      },
    });
  }

  /** Appends a whole image, in pieces, as a first copy does: frames of the next piece are made while one is written. */
  async copy(writer: LogWriter, image: string): Promise<void> {
    const file = await open(image, 'r');
    try {
      let written = Promise.resolve();
      for (let start = 0; start < this.#size; start += PIECE) {
        const end = Math.min(start + PIECE, this.#size);
        const frames = await this.#framesOf(file, start, end);
        const before = written;
        const isLast = end === this.#size;
        if (isLast) await before;
        const appended = this.cut(writer, frames, !isLast);
        // One piece is under way while the next one is made.
        written = Promise.all([before, appended]).then(() => {});
        await before;
      }
      await written;
    } finally {
      await file.close();
    }
  }

  async #framesOf(file: Awaited<ReturnType<typeof open>>, start: number, end: number): Promise<Uint8Array[]> {
    const frames: Promise<Uint8Array>[] = [];
    for (let offset = start; offset < end; offset += FRAME_DATA_LIMIT) {
      const length = Math.min(FRAME_DATA_LIMIT, end - offset);
      const data = Buffer.allocUnsafe(length);
      await file.read(data, 0, length, offset);
      frames.push(frameOf(offset, data));
      if (frames.length >= AHEAD) await frames[frames.length - AHEAD];
    }
    return Promise.all(frames);
  }
}

const frameOf = async (offset: number, data: Buffer): Promise<Uint8Array> => {
  const isZero = data.equals(ZEROES.subarray(0, data.length));
  const extent: FrameExtent = { offset, length: data.length, kind: isZero ? 'zero' : 'data' };
  return serializeFrame(await createFrame([extent], isZero ? new Uint8Array(0) : data));
};

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
