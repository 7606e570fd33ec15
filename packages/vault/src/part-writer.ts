import { create, toBinary } from '@bufbuild/protobuf';
import { BLOCK_SIZE, createFrame, DIGEST_SIZE, FRAME_EXTENT_LENGTH_LIMIT, type FrameExtent, serializeFrame } from '@holdfast/block';
import { PartRecordsSchema, type PartRef, PartRefSchema } from '@holdfast/protocol';
import { damaged } from './damage.ts';
import { decodeLazily } from './decode-frame.ts';
import type { FrameAddress, FrameReader } from './frame-reader.ts';
import { frameThreads } from './frame-threads.ts';
import { OBJECT_KIND } from './object-header.ts';
import { decodePartIndex, encodePartIndex, type PartEntry, type PartIndex } from './part-index.ts';
import { openObject } from './read-object.ts';
import { checkReferenced, createPrepared, type MachineWriter, type PreparedObject, prepareReferenced } from './referenced-object.ts';
import { EXTENT_KIND } from './segment-index.ts';
import type { Version, VersionGroup } from './sweep.ts';
import type { VerifiedData } from './verified-data.ts';

/** Data of a frame in a run: small, so that a few bytes out of it cost little. */
const FRAME_DATA = 64 * 1024;
/** Bytes of digests of a frame. */
const DIGESTS = (FRAME_DATA / BLOCK_SIZE + 16) * DIGEST_SIZE;

/** A version and where its bytes are. */
export interface PlacedVersion extends Version, FrameAddress {
  readonly kind: number;
  /** Where in the frame's data it begins. */
  readonly position: number;
}

export interface PartLimits {
  /** Bytes of frames at which a part is sealed. */
  readonly size: number;
  /** Entries at which it is. */
  readonly entries: number;
}

export const DEFAULT_LIMITS: PartLimits = { size: 16 * 1024 * 1024, entries: 131_072 };

/** The frame that is being filled. Its buffers serve one frame after the other: what they hold is encoded, or copied, before the next one. */
interface OpenFrameBuffer {
  extents: FrameExtent[];
  readonly data: Buffer;
  readonly digests: Buffer;
  size: number;
  digestsSize: number;
}

/** Frames of a part that are read back at once. */
const TOGETHER = 32;

/** Where bytes were copied from. */
interface Origin extends FrameAddress {
  readonly from: number;
  readonly to: number;
  readonly offset: number;
}

/** Writes ranges of a disk with their versions, in order, into parts. Digests are taken over as they came from the agent, never made anew. */
export class PartWriter {
  readonly #writer: MachineWriter;
  readonly #diskId: Uint8Array;
  readonly #source: FrameReader;
  readonly #limits: PartLimits;
  readonly #parts: PartRef[] = [];
  #entries: PartEntry[] = [];
  #origins: Origin[] = [];
  #frames: Uint8Array[] = [];
  #framesSize = 0;
  readonly #open: OpenFrameBuffer = {
    extents: [],
    data: Buffer.allocUnsafe(FRAME_DATA),
    digests: Buffer.allocUnsafe(DIGESTS),
    size: 0,
    digestsSize: 0,
  };

  constructor(writer: MachineWriter, diskId: Uint8Array, source: FrameReader, limits: PartLimits) {
    this.#writer = writer;
    this.#diskId = diskId;
    this.#source = source;
    this.#limits = limits;
  }

  /** Errors: DAMAGED when bytes to be copied are. */
  async add(group: VersionGroup<PlacedVersion>): Promise<void> {
    const hasData = group.versions.some(({ kind }) => kind === EXTENT_KIND.data);
    const step = hasData ? FRAME_DATA : FRAME_EXTENT_LENGTH_LIMIT;
    for (let start = group.start; start < group.end; ) {
      // On a border of blocks, so that none is copied twice.
      const end = Math.min(group.end, start - (start % BLOCK_SIZE) + step);
      if (this.#framesSize >= this.#limits.size || this.#entries.length >= this.#limits.entries) await this.flush();
      for (const version of group.versions) await this.#addVersion(version, start, end);
      start = end;
    }
  }

  /** A part of another run as it is; nothing in it overlaps what was added or will be. */
  async reuse(part: PartRef): Promise<void> {
    await this.flush();
    this.#parts.push(part);
  }

  async finish(): Promise<PartRef[]> {
    await this.flush();
    return this.#parts;
  }

  /** Seals what there is, opens it again to be sure, and puts it into the store. */
  async flush(): Promise<void> {
    await this.#flushFrame();
    const entries = this.#entries;
    if (entries.length === 0) return;
    const frames = this.#frames;
    const prepared = await prepareReferenced(this.#writer, OBJECT_KIND.part, {
      records: toBinary(PartRecordsSchema, create(PartRecordsSchema, { diskId: Uint8Array.from(this.#diskId) })),
      index: encodePartIndex(
        frames.map(({ length }) => length),
        entries,
      ),
      frames,
    });
    await verifyPart(this.#writer, prepared, entries).catch((reason: unknown) => this.#blame(reason));
    await createPrepared(this.#writer.vault, prepared);
    const end = entries.at(-1)!;
    this.#parts.push(
      create(PartRefSchema, { object: prepared.ref, start: BigInt(entries[0]!.offset), end: BigInt(end.offset + end.length) }),
    );
    this.#entries = [];
    this.#origins = [];
    this.#frames = [];
    this.#framesSize = 0;
  }

  /** Digests are compared once, in what is to be stored. When one fails there, what it was copied from is damaged, unless this machine is. */
  async #blame(reason: unknown): Promise<never> {
    for (const { from, to, offset, ...address } of this.#origins) {
      const [frame] = await this.#source.read([address]);
      frame!.slice(from, to, offset);
    }
    throw reason;
  }

  async #addVersion({ kind, cut, handle, frame, position, start: from }: PlacedVersion, start: number, end: number): Promise<void> {
    const entry = { offset: start, length: end - start, kind, cut };
    if (kind !== EXTENT_KIND.data) {
      this.#entries.push({ ...entry, frame: 0, position: 0 });
      return;
    }
    const opened = this.#source.peek({ handle, frame }) ?? (await this.#source.read([{ handle, frame }]))[0]!;
    const at = position + start - from;
    const blocks = opened.blocks(at, at + end - start, start);
    const { length } = blocks.data;
    // The last block of a disk may be short: many of it are many digests.
    const fits = this.#open.size + length <= FRAME_DATA && this.#open.digestsSize + blocks.digests.length <= DIGESTS;
    if (!fits) await this.#flushFrame();
    const open = this.#open;
    const inFrame = open.size;
    this.#origins.push({ handle, frame, from: at, to: at + end - start, offset: start });
    open.extents.push({ offset: start - (at - blocks.start), length, kind: 'data' });
    open.data.set(blocks.data, inFrame);
    open.digests.set(blocks.digests, open.digestsSize);
    open.size += length;
    open.digestsSize += blocks.digests.length;
    this.#entries.push({ ...entry, frame: this.#frames.length, position: inFrame + at - blocks.start });
  }

  async #flushFrame(): Promise<void> {
    const { extents, data, digests, size, digestsSize } = this.#open;
    if (size === 0) return;
    const frame = serializeFrame(await createFrame(extents, data.subarray(0, size), 'lz4', digests.subarray(0, digestsSize)));
    this.#frames.push(frame);
    this.#framesSize += frame.length;
    this.#open.extents = [];
    this.#open.size = 0;
    this.#open.digestsSize = 0;
  }
}

/** Reads a part back from what will be stored: everything it was made of must be found again, every block whole. Errors: DAMAGED. */
export const verifyPart = async (
  { vault, machineId }: MachineWriter,
  { name, bytes, ref }: PreparedObject,
  entries: readonly PartEntry[],
): Promise<void> => {
  const head = await openObject(vault, name, { kind: OBJECT_KIND.part, machineId, number: 0 }, bytes);
  checkReferenced(head, ref, name);
  const index = decodePartIndex(head.index, head.header, head.framesAt, name);
  let next = 0;
  const sealed = Array.from({ length: head.header.frameCount }, (_, n) => bytes.subarray(index.positions[n]!, index.positions[n + 1]!));
  const decoded: Promise<(VerifiedData | undefined)[]>[] = [];
  for (let first = 0; first < sealed.length; first += TOGETHER)
    decoded.push(frameThreads.open(head.frameKeys, first, sealed.slice(first, first + TOGETHER)));
  for (let frame = 0; frame < head.header.frameCount; frame += 1) {
    const opened = (await decoded[Math.floor(frame / TOGETHER)]!)[frame % TOGETHER];
    const data = opened ?? (await decodeLazily(head.openFrame, frame, sealed[frame]!, true));
    data.slice(0, data.length);
    // Entries with data are in the order of their frames.
    for (; next < entries.length && (entries[next]!.kind !== EXTENT_KIND.data || entries[next]!.frame === frame); next += 1) {
      const { kind, offset, length, position } = entries[next]!;
      if (!sameEntry(index, next, entries[next]!)) throw damaged(name, `entry ${next} of it is wrong`);
      if (kind !== EXTENT_KIND.data) continue;
      if (position + length > data.length || data.offsetAt(position) !== offset) throw damaged(name, `entry ${next} of it has no data`);
    }
  }
  for (; next < entries.length; next += 1)
    if (entries[next]!.kind === EXTENT_KIND.data || !sameEntry(index, next, entries[next]!))
      throw damaged(name, `entry ${next} of it is wrong`);
};

const sameEntry = (index: PartIndex, i: number, { offset, length, kind, cut, frame, position }: PartEntry): boolean =>
  index.offsets[i] === offset &&
  index.lengths[i] === length &&
  index.kinds[i] === kind &&
  index.cuts[i] === cut &&
  index.frames[i] === frame &&
  index.places[i] === position;
