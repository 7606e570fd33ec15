// A source of cuts for tests: disks in memory that are written to, and what they held at every cut.
import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE, type CodecName, contentDigest, createFrame, type ExtentKind, type FrameExtent, serializeFrame } from '@holdfast/block';
import {
  type Cut,
  type CutContent,
  CutSchema,
  type EpochRef,
  EpochSchema,
  GenerationReason,
  GenerationSchema,
  idBytes,
  idText,
  type Manifest,
  newId,
  Origin,
  PointKind,
  PointSchema,
} from '@holdfast/protocol';

/** A change of a disk. */
export interface Change {
  readonly offset: number;
  readonly length: number;
  readonly kind: ExtentKind;
  /** What is written, for data. */
  readonly data?: Uint8Array;
}

export interface SimulatedDisk {
  readonly id: string;
  /** What the disk holds. */
  content: Buffer;
  /** Blocks that cannot be read. */
  unreadable: Set<number>;
  generation: string;
  /** The next epoch's number. */
  number: number;
  open: boolean;
}

/** What a disk held at a point. */
export interface Expected {
  readonly content: Buffer;
  readonly unreadable: ReadonlySet<number>;
}

export interface MadeCut {
  readonly content: CutContent;
  readonly cut: Cut;
  readonly pointId: string | undefined;
  /** By disk id. */
  readonly expected: ReadonlyMap<string, Expected>;
}

/** How frames are packed: extents in each frame at most, and codec. */
export interface Packing {
  readonly extentsPerFrame: number;
  readonly codec: CodecName;
}

const DEFAULT_PACKING: Packing = { extentsPerFrame: 8, codec: 'lz4' };

/** Serialized frames that make these changes, in order. */
export const packFrames = async (changes: readonly Change[], { extentsPerFrame, codec }: Packing): Promise<Uint8Array[]> => {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < changes.length; at += extentsPerFrame) {
    const part = changes.slice(at, at + extentsPerFrame);
    const extents: FrameExtent[] = part.map(({ offset, length, kind }) => ({ offset, length, kind }));
    const data = Buffer.concat(part.flatMap((change) => (change.data === undefined ? [] : [change.data])));
    frames.push(serializeFrame(await createFrame(extents, data, codec)));
  }
  return frames;
};

export class SimulatedSource {
  readonly machineId: string;
  readonly disks: SimulatedDisk[];
  readonly #changes = new Map<string, Change[]>();
  readonly #starting = new Map<string, EpochRef | undefined>();
  /** By disk, what it was resized to at least since the last cut. */
  readonly #smallest = new Map<string, number>();
  #instant = 1_700_000_000_000_000_000n;

  constructor(sizes: readonly number[], machineId = newId()) {
    this.machineId = machineId;
    this.disks = sizes.map((size) => ({
      id: newId(),
      content: Buffer.alloc(size),
      unreadable: new Set(),
      generation: newId(),
      number: 0,
      open: false,
    }));
    for (const disk of this.disks) this.#starting.set(disk.id, undefined);
  }

  /** The same machine once more, as it is now: a clone, or one that will be set back. */
  clone(): SimulatedSource {
    const clone = new SimulatedSource([], this.machineId);
    for (const disk of this.disks) clone.disks.push({ ...disk, content: Buffer.from(disk.content), unreadable: new Set(disk.unreadable) });
    for (const [id, changes] of this.#changes) clone.#changes.set(id, [...changes]);
    for (const [id, parent] of this.#starting) clone.#starting.set(id, parent);
    return clone;
  }

  change(disk: SimulatedDisk, change: Change): void {
    const changes = this.#changes.get(disk.id) ?? [];
    changes.push(change);
    this.#changes.set(disk.id, changes);
    const { offset, length, kind, data } = change;
    if (kind === 'data') disk.content.set(data!, offset);
    else disk.content.fill(0, offset, offset + length);
    for (let block = offset / BLOCK_SIZE; block < (offset + length) / BLOCK_SIZE; block += 1)
      if (kind === 'unreadable') disk.unreadable.add(block);
      else disk.unreadable.delete(block);
  }

  /** Whole blocks of one byte; the disk's last one may be short. */
  write(disk: SimulatedDisk, block: number, blocks: number, fill: number): void {
    const offset = block * BLOCK_SIZE;
    const length = Math.min(blocks * BLOCK_SIZE, disk.content.length - offset);
    this.change(disk, { offset, length, kind: 'data', data: Buffer.alloc(length, fill) });
  }

  /** What a disk loses by shrinking is gone; what it gains by growing is zero, and nothing of it is sent. */
  resize(disk: SimulatedDisk, size: number): void {
    const content = Buffer.alloc(size);
    disk.content.copy(content);
    disk.content = content;
    for (const block of disk.unreadable) if (block * BLOCK_SIZE >= size) disk.unreadable.delete(block);
    const touched = new Set<number>();
    // What was lost since the last cut and is there again is not what it was at that cut: it has to be told.
    const smallest = Math.min(this.#smallest.get(disk.id) ?? Number.POSITIVE_INFINITY, size);
    this.#smallest.set(disk.id, smallest);
    for (let at = smallest - (smallest % BLOCK_SIZE); smallest < size && at < size; at += BLOCK_SIZE) touched.add(at);
    for (const { offset, length } of this.#changes.get(disk.id) ?? [])
      for (let at = offset; at < Math.min(offset + length, size); at += BLOCK_SIZE) touched.add(at);
    this.#changes.set(
      disk.id,
      [...touched].map((offset) => {
        const data = Buffer.from(content.subarray(offset, offset + BLOCK_SIZE));
        return disk.unreadable.has(offset / BLOCK_SIZE)
          ? { offset, length: data.length, kind: 'unreadable' }
          : { offset, length: data.length, kind: 'data', data };
      }),
    );
  }

  /**
   * The next epoch of the disk begins a new generation on top of `parent`, whose state was `base`; without a parent on zeroes. What differs is sent, as
   * a resynchronization by digests would.
   */
  startGeneration(disk: SimulatedDisk, parent?: EpochRef, base: Expected = { content: Buffer.alloc(0), unreadable: new Set() }): void {
    disk.generation = newId();
    disk.number = 0;
    this.#starting.set(disk.id, parent);
    const before = Buffer.alloc(disk.content.length);
    base.content.copy(before);
    // What the disk lacks of it is gone: when it grows before the cut it has to be told, as by any resize.
    if (disk.content.length < base.content.length)
      this.#smallest.set(disk.id, Math.min(this.#smallest.get(disk.id) ?? Number.POSITIVE_INFINITY, disk.content.length));
    const changes: Change[] = [];
    for (let offset = 0; offset < disk.content.length; offset += BLOCK_SIZE) {
      const data = Buffer.from(disk.content.subarray(offset, offset + BLOCK_SIZE));
      const block = offset / BLOCK_SIZE;
      if (disk.unreadable.has(block)) changes.push({ offset, length: data.length, kind: 'unreadable' });
      else if (base.unreadable.has(block) || !before.subarray(offset, offset + BLOCK_SIZE).equals(data))
        changes.push({ offset, length: data.length, kind: 'data', data });
    }
    this.#changes.set(disk.id, changes);
  }

  /** Cuts all disks; those that are `open` give a piece. There is a point when none is open, unless told otherwise. */
  async cut({ open = [], point = true, packing = DEFAULT_PACKING, manifest, time }: CutOptions = {}): Promise<MadeCut> {
    const cutId = newId();
    this.#instant = time === undefined ? this.#instant + 5_000_000_000n : BigInt(time) * 1_000_000n;
    const instant = { unixNanos: this.#instant };
    const starting = this.disks.filter(({ id }) => this.#starting.has(id));
    const frames = await Promise.all(this.disks.map(({ id }) => packFrames(this.#changes.get(id) ?? [], packing)));
    const epochs = this.disks.map((disk, i) =>
      create(EpochSchema, {
        diskId: idBytes(disk.id),
        generationId: idBytes(disk.generation),
        number: BigInt(disk.number),
        cutId: idBytes(cutId),
        diskSize: BigInt(disk.content.length),
        instant,
        open: open.includes(disk),
        contentDigest: contentDigest(frames[i]!),
        frameCount: BigInt(frames[i]!.length),
      }),
    );
    const generations = starting.map((disk) => {
      const parent = this.#starting.get(disk.id);
      return create(GenerationSchema, {
        id: idBytes(disk.generation),
        diskId: idBytes(disk.id),
        reason: parent === undefined ? GenerationReason.FIRST_COPY : GenerationReason.RESYNCHRONIZATION,
        origin: Origin.SOURCE,
        ...(parent !== undefined && { parent }),
      });
    });
    const pointId = point && open.length === 0 ? newId() : undefined;
    const cut = create(CutSchema, {
      id: idBytes(cutId),
      machineId: idBytes(this.machineId),
      generations,
      epochs,
      ...(manifest !== undefined && { manifest }),
    });
    if (pointId !== undefined)
      cut.point = create(PointSchema, {
        id: idBytes(pointId),
        cutId: idBytes(cutId),
        kind: PointKind.CRASH,
        instant,
        members: epochs.map(({ diskId, generationId, number }) => ({ diskId, epoch: { generationId, number } })),
        ...(manifest !== undefined && { manifestId: manifest.id }),
      });
    const expected = new Map(
      this.disks.map(({ id, content, unreadable }) => [id, { content: Buffer.from(content), unreadable: new Set(unreadable) }]),
    );
    for (const disk of this.disks) disk.number += 1;
    this.#changes.clear();
    this.#starting.clear();
    this.#smallest.clear();
    return { cut, pointId, expected, content: contentOf(cut, frames) };
  }
}

export interface CutOptions {
  readonly open?: readonly SimulatedDisk[];
  readonly point?: boolean;
  readonly packing?: Packing;
  readonly manifest?: Manifest;
  /** Milliseconds since 1970; five seconds after the last cut unless told. */
  readonly time?: number;
}

export const contentOf = (cut: Cut, frames: readonly (readonly Uint8Array[])[]): CutContent => ({
  cut,
  frames: async function* (index) {
    yield* frames[index]!;
  },
});

/** Where a disk stands after a cut. */
export const epochOf = ({ cut }: MadeCut, disk: SimulatedDisk): EpochRef => {
  const { generationId, number } = cut.epochs.find(({ diskId }) => idText(diskId) === disk.id)!;
  return { $typeName: 'holdfast.v1.EpochRef', generationId, number };
};
