import { ByteCache } from './byte-cache.ts';
import { damaged } from './damage.ts';
import { slotName } from './object-names.ts';
import type { FrameKeys } from './sealed-object.ts';
import type { SegmentIndex } from './segment-index.ts';
import { readSlot, type Slot } from './slot.ts';
import type { VaultAccess } from './vault-access.ts';

/** Indexes kept in memory; others are read again when a view needs them. */
const CACHE_BYTES = 64 * 1024 * 1024;

/** Bytes asked for at once at most because the segment before had so long a head. */
const LIKELY_LIMIT = 1024 * 1024;

/** A segment as views see it. */
export interface Segment {
  readonly name: string;
  readonly index: SegmentIndex;
  /** The sealed bytes of `count` frames from `first` on, in one request. */
  readSealed(first: number, count: number): Promise<Uint8Array[]>;
  /** Opens a frame from its sealed bytes. Errors: DAMAGED. */
  openFrame(number: number, sealed: Uint8Array): Buffer;
  readonly frameKeys: FrameKeys;
}

/** Where views get extents and frames from: the slots of the log, and one day levels below its tail. */
export interface SegmentSource {
  segment(sequence: number): Promise<Segment>;
}

class LogSegments implements SegmentSource {
  readonly #vault: VaultAccess;
  readonly #machineId: string;
  readonly #tags: ReadonlyMap<number, string>;
  readonly #segments = new ByteCache<number, Segment>(CACHE_BYTES);
  /** Bytes of the head that was read last: the next one will hardly be longer. */
  #likely = 0;

  constructor(vault: VaultAccess, machineId: string, tags: ReadonlyMap<number, string>) {
    this.#vault = vault;
    this.#machineId = machineId;
    this.#tags = tags;
  }

  segment(sequence: number): Promise<Segment> {
    return this.#segments.get(sequence, async () => {
      const name = slotName(this.#machineId, sequence);
      const slot = await readSlot(this.#vault, this.#machineId, sequence, this.#likely);
      if (slot === undefined) throw damaged(name, 'it was there and is gone');
      if (slot.tag !== this.#tags.get(sequence)) throw damaged(name, 'it is not what it was: somebody put another segment in its place');
      this.#likely = Math.min(slot.headLength, LIKELY_LIMIT);
      const segment = asSegment(this.#vault, slot);
      return { value: segment, size: indexSize(segment.index) };
    });
  }
}

const indexSize = ({ positions, firstExtent, offsets, lengths, kinds }: SegmentIndex): number =>
  [positions, firstExtent, offsets, lengths, kinds].reduce((sum, { byteLength }) => sum + byteLength, 1024);

/** A slot's segment. Errors: DAMAGED. */
export const asSegment = ({ store }: VaultAccess, slot: Slot): Segment => {
  const index = slot.index();
  const { positions } = index;
  // Not the slot: its records would live as long as the segment.
  const { name, openFrame, frameKeys } = slot;
  return {
    name,
    index,
    openFrame,
    frameKeys,
    readSealed: async (first, count) => {
      const start = positions[first]!;
      const sealed = await store.read(name, { offset: start, length: positions[first + count]! - start });
      return Array.from({ length: count }, (_, i) => sealed.subarray(positions[first + i]! - start, positions[first + i + 1]! - start));
    },
  };
};

/** The segments of a machine's log. `tags` are those of the slots that count, by sequence. */
export const createLogSegments = (vault: VaultAccess, machineId: string, tags: ReadonlyMap<number, string>): SegmentSource =>
  new LogSegments(vault, machineId, tags);
