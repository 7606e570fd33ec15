import { isHoldfastError } from '@holdfast/errors';
import { ByteCache } from './byte-cache.ts';
import { damaged } from './damage.ts';
import { decodeFrame, describeExtents, extentsOf } from './decode-frame.ts';
import type { DiskMap } from './disk-map.ts';
import type { SegmentSource } from './segment-source.ts';

/** Neighbouring frames fetched in one request at most. */
const GROUP_LIMIT = 32;

/** Gives the decoded data of a disk's frames, numbered as in its map, out of a cache bounded in bytes or the store. */
export class FrameReader {
  readonly #diskId: string;
  readonly #map: DiskMap;
  readonly #segments: SegmentSource;
  readonly #cache: ByteCache<number, Uint8Array>;

  constructor(diskId: string, map: DiskMap, segments: SegmentSource, cacheBytes: number) {
    this.#diskId = diskId;
    this.#map = map;
    this.#segments = segments;
    this.#cache = new ByteCache(cacheBytes);
  }

  /** Frames (ascending) in groups that lie next to each other in one segment. */
  groups(frames: readonly number[]): number[][] {
    const { sequences, numbers } = this.#map;
    const groups: number[][] = [];
    for (const frame of frames) {
      const group = groups.at(-1);
      const last = group?.at(-1) ?? -1;
      const follows = last >= 0 && sequences[last] === sequences[frame] && numbers[last]! + 1 === numbers[frame];
      if (group !== undefined && follows && group.length < GROUP_LIMIT) group.push(frame);
      else groups.push([frame]);
    }
    return groups;
  }

  /** The data of each frame of a group. Errors: DAMAGED, which names object and extents. */
  read(group: readonly number[]): Promise<Uint8Array[]> {
    const sealed = new Map<number, () => Promise<Uint8Array>>();
    for (const missing of this.groups(group.filter((frame) => !this.#cache.has(frame)))) {
      const fetched = once(() => this.#fetch(missing));
      for (const [i, frame] of missing.entries()) sealed.set(frame, async () => (await fetched())[i]!);
    }
    const load = async (frame: number) => {
      const data = await this.#decode(frame, await sealed.get(frame)!());
      return { value: data, size: data.length };
    };
    return Promise.all(group.map((frame) => this.#cache.get(frame, () => load(frame))));
  }

  close(): void {
    this.#cache.clear();
  }

  async #fetch(group: readonly number[]): Promise<Uint8Array[]> {
    const segment = await this.#segments.segment(this.#map.sequences[group[0]!]!);
    return segment.readSealed(this.#map.numbers[group[0]!]!, group.length);
  }

  async #decode(frame: number, sealed: Uint8Array): Promise<Uint8Array> {
    const segment = await this.#segments.segment(this.#map.sequences[frame]!);
    const number = this.#map.numbers[frame]!;
    try {
      return (await decodeFrame(segment, number, sealed)).data;
    } catch (reason) {
      if (!isHoldfastError(reason, 'DAMAGED')) throw reason;
      const where = `${describeExtents(extentsOf(segment.index, number))} of disk ${this.#diskId}`;
      throw damaged(`${segment.name}, frame ${number}`, `${reason.why}; it holds ${where}`, reason);
    }
  }
}

const once = <T>(make: () => Promise<T>): (() => Promise<T>) => {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
};
