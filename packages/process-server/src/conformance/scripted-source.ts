import { createHash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE, type CodecName, contentDigest, createFrame, FRAME_DATA_LIMIT, serializeFrame } from '@holdfast/block';
import { type Cut, type CutContent, CutSchema, EpochSchema, GenerationReason, idBytes, newId, Origin, PointKind } from '@holdfast/protocol';

/** A cut together with what the disk held then. */
export interface ScriptedCut {
  readonly cut: Cut;
  readonly content: CutContent;
  readonly cutId: string;
  readonly pointId: string;
  /** SHA-256 of the whole disk, hexadecimal. */
  readonly digest: string;
  readonly bytes: number;
}

export interface ScriptedSourceOptions {
  readonly machineId?: string;
  /** Bytes. */
  readonly size: number;
  readonly codec?: CodecName;
  /** Numbers in [0, 1). */
  readonly random?: () => number;
  /** Seconds from one cut to the next, by its own clock; 5 unless told. */
  readonly interval?: number;
}

/** A machine with one disk in memory that is written to and cut, for tests of everything behind an agent. */
export class ScriptedSource {
  readonly machineId: string;
  readonly diskId = newId();
  readonly disk: Buffer;
  readonly #random: () => number;
  readonly #codec: CodecName;
  readonly #interval: bigint;
  readonly #dirty = new Set<number>();
  readonly #discarded = new Set<number>();
  #generation = newId();
  #number = 0;
  #instant = 1_700_000_000_000_000_000n;

  constructor({ machineId = newId(), size, codec = 'lz4', random = Math.random, interval = 5 }: ScriptedSourceOptions) {
    this.#interval = BigInt(interval) * 1_000_000_000n;
    this.machineId = machineId;
    this.disk = Buffer.alloc(size);
    this.#random = random;
    this.#codec = codec;
  }

  /** Writes to `blocks` blocks of 4 KiB anywhere, with content that compresses to about a half. */
  scribble(blocks: number): void {
    const count = this.disk.length / BLOCK_SIZE;
    for (let done = 0; done < blocks; done += 1) {
      const block = Math.floor(this.#random() * count);
      const at = block * BLOCK_SIZE;
      for (let byte = 0; byte < BLOCK_SIZE / 2; byte += 4) this.disk.writeUInt32LE(Math.floor(this.#random() * 2 ** 32), at + byte);
      this.disk.fill(this.#number % 251, at + BLOCK_SIZE / 2, at + BLOCK_SIZE);
      this.#dirty.add(block);
      this.#discarded.delete(block);
    }
  }

  /** Makes a block zeroes, of which the next cut tells nothing else. */
  discard(block: number): void {
    this.disk.fill(0, block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE);
    this.#dirty.add(block);
    this.#discarded.add(block);
  }

  /** The next epoch begins a new generation that sends the whole disk. */
  startGeneration(): void {
    this.#generation = newId();
    this.#number = 0;
    for (let block = 0; block * BLOCK_SIZE < this.disk.length; block += 1) this.#dirty.add(block);
  }

  async cut(): Promise<ScriptedCut> {
    const cutId = newId();
    const pointId = newId();
    const blocks = [...this.#dirty].toSorted((a, b) => a - b);
    this.#dirty.clear();
    const frames: Uint8Array[] = [];
    const perFrame = FRAME_DATA_LIMIT / BLOCK_SIZE;
    for (let at = 0; at < blocks.length; at += perFrame) {
      const part = blocks.slice(at, at + perFrame);
      const isData = (block: number): boolean => !this.#discarded.has(block);
      const extents = part.map((block) => ({
        offset: block * BLOCK_SIZE,
        length: BLOCK_SIZE,
        kind: isData(block) ? ('data' as const) : ('zero' as const),
      }));
      const data = Buffer.concat(part.filter(isData).map((block) => this.disk.subarray(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE)));
      frames.push(serializeFrame(await createFrame(extents, data, this.#codec)));
    }
    const zeroBytes = this.#discarded.size * BLOCK_SIZE;
    this.#discarded.clear();
    this.#instant += this.#interval;
    const instant = { unixNanos: this.#instant };
    const generationId = idBytes(this.#generation);
    const diskId = idBytes(this.diskId);
    const epoch = create(EpochSchema, {
      diskId,
      generationId,
      number: BigInt(this.#number),
      cutId: idBytes(cutId),
      diskSize: BigInt(this.disk.length),
      instant,
      dataBytes: BigInt(blocks.length * BLOCK_SIZE - zeroBytes),
      zeroBytes: BigInt(zeroBytes),
      contentDigest: contentDigest(frames),
      frameCount: BigInt(frames.length),
    });
    const cut = create(CutSchema, {
      id: idBytes(cutId),
      machineId: idBytes(this.machineId),
      epochs: [epoch],
      generations: this.#number === 0 ? [{ id: generationId, diskId, reason: GenerationReason.FIRST_COPY, origin: Origin.SOURCE }] : [],
      point: {
        id: idBytes(pointId),
        cutId: idBytes(cutId),
        kind: PointKind.CRASH,
        instant,
        members: [{ diskId, epoch: { generationId, number: BigInt(this.#number) } }],
      },
    });
    this.#number += 1;
    const content: CutContent = {
      cut,
      frames: async function* () {
        yield* frames;
      },
    };
    const bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
    return { cut, content, cutId, pointId, digest: createHash('sha256').update(this.disk).digest('hex'), bytes };
  }
}
