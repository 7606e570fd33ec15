import { type BlockDevice, createDeviceGuard, type DeviceGuard } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import { type EpochRef, idText } from '@holdfast/protocol';
import { throughCache } from './cached-frames.ts';
import { type DiskMap, mapDisk, type Piece } from './disk-map.ts';
import type { FrameCache } from './frame-cache.ts';
import { FrameReader, groupsOf, keyOf } from './frame-reader.ts';
import type { MachineHistory, RecoveryPoint } from './history.ts';
import { EXTENT_KIND } from './segment-index.ts';

export interface ViewOptions {
  /** Bytes of decoded frames kept in memory, 64 MiB unless told. */
  readonly cacheBytes?: number;
  /** Where sealed frames are kept for later, and for other views. Not closed before the views that use it. */
  readonly frameCache?: FrameCache;
}

const DEFAULT_CACHE = 64 * 1024 * 1024;
/** Groups of frames one read fetches at the same time. */
const CONCURRENCY = 4;
/** Bytes fetched in advance for somebody who reads one piece after the other; no more than a quarter of the cache. */
const READ_AHEAD = 2 * 1024 * 1024;
/** Bytes read one after the other that make a reader such a one. */
const SEQUENTIAL = 256 * 1024;
/** Bytes of a read into shared memory from which on threads fill it, and what they decoded is not kept: who reads so much at once reads it once. */
const LARGE = 512 * 1024;

class DiskView implements BlockDevice {
  readonly size: number;
  readonly readOnly = true;
  readonly #diskId: string;
  readonly #map: DiskMap;
  readonly #frames: FrameReader;
  readonly #guard: DeviceGuard;
  readonly #readAhead: number;
  readonly #letGo: (() => void) | undefined;
  /** Where the last read ended, how many bytes were read one after the other up to there, and up to where was fetched in advance. */
  #end = -1;
  #sequential = 0;
  #ahead = 0;
  /** Reads under way: who has several at once reads ahead himself. */
  #reads = 0;

  constructor(diskId: string, vaultId: string, map: DiskMap, { cacheBytes = DEFAULT_CACHE, frameCache }: ViewOptions) {
    this.size = map.size;
    this.#diskId = diskId;
    this.#map = map;
    this.#frames = new FrameReader(diskId, cacheBytes, frameCache && throughCache(frameCache, vaultId));
    this.#letGo = frameCache?.use();
    this.#readAhead = Math.min(READ_AHEAD, Math.floor(cacheBytes / 4));
    this.#guard = createDeviceGuard({ name: `view of disk ${diskId}`, size: map.size, readOnly: true });
  }

  read(offset: number, target: Uint8Array): Promise<void> {
    return this.#guard.read(offset, target.length, async () => {
      const end = offset + target.length;
      this.#sequential = offset === this.#end ? this.#sequential + target.length : 0;
      this.#end = end;
      this.#reads += 1;
      try {
        const reading = this.#read(await this.#map.find(offset, end), offset, target);
        if (this.#sequential >= SEQUENTIAL && this.#reads === 1) this.#fetchAhead(end);
        else this.#ahead = end;
        await reading;
      } finally {
        this.#reads -= 1;
      }
    });
  }

  allocated(offset: number, length: number): Promise<{ offset: number; length: number }[]> {
    return this.#guard.read(offset, length, async () => {
      const found: { offset: number; length: number }[] = [];
      for (const { start, end } of await this.#map.find(offset, offset + length)) {
        const last = found.at(-1);
        if (last !== undefined && last.offset + last.length === start) last.length = end - last.offset;
        else found.push({ offset: start, length: end - start });
      }
      return found;
    });
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    return this.#guard.write(offset, data.length, async () => {});
  }

  zero(offset: number, length: number): Promise<void> {
    return this.#guard.write(offset, length, async () => {});
  }

  flush(): Promise<void> {
    return this.#guard.read(0, 0, async () => {});
  }

  close(): Promise<void> {
    return this.#guard.close(async () => {
      this.#frames.close();
      this.#letGo?.();
    });
  }

  async #read(pieces: readonly Piece[], offset: number, target: Uint8Array): Promise<void> {
    const unreadable = pieces.find(({ kind }) => kind === EXTENT_KIND.unreadable);
    if (unreadable !== undefined) throw refuseUnreadable(this.#diskId, unreadable.start, unreadable.end);
    let at = offset;
    for (const { start, end } of pieces) {
      if (start > at) target.fill(0, at - offset, start - offset);
      at = end;
    }
    target.fill(0, at - offset);
    const byFrame = new Map<string, Piece[]>();
    for (const piece of pieces) {
      const known = byFrame.get(keyOf(piece));
      if (known === undefined) byFrame.set(keyOf(piece), [piece]);
      else known.push(piece);
    }
    const groups = groupsOf([...byFrame.values()].map((ofFrame) => ofFrame[0]!).sort(byPlace));
    const isFilled = target.buffer instanceof SharedArrayBuffer && target.length >= LARGE;
    const work = async (): Promise<void> => {
      for (let group = groups.shift(); group !== undefined; group = groups.shift()) {
        if (isFilled && (await this.#fill(group, byFrame, offset, target))) continue;
        const frames = await this.#frames.read(group);
        for (const [i, address] of group.entries())
          for (const { start, end, position } of byFrame.get(keyOf(address))!)
            target.set(frames[i]!.slice(position, position + end - start, start), start - offset);
      }
    };
    await Promise.all(Array.from({ length: Math.min(CONCURRENCY, groups.length) }, work));
  }

  /** Lets threads read into memory that they see; false when somebody else has to, or has it. */
  async #fill(
    group: readonly Piece[],
    byFrame: ReadonlyMap<string, readonly Piece[]>,
    offset: number,
    target: Uint8Array,
  ): Promise<boolean> {
    if (group.every((address) => this.#frames.has(address))) return false;
    const wanted = group.flatMap((address) =>
      byFrame.get(keyOf(address))!.map(({ start, end, frame, position }) => ({
        ...{ frame, from: position, to: position + end - start, offset: start, at: start - offset },
      })),
    );
    return this.#frames.fill(group, { target, wanted });
  }

  /** What fails here fails again, and is told, when it is read. */
  #fetchAhead(end: number): void {
    const from = Math.max(end, this.#ahead);
    const until = Math.min(end + this.#readAhead, this.size);
    // Not for every few bytes: half of it has to be read before more is fetched.
    if (until - from < this.#readAhead / 2) return;
    this.#ahead = until;
    const fetch = async (): Promise<void> => {
      const pieces = (await this.#map.find(from, until)).filter(({ kind }) => kind === EXTENT_KIND.data);
      const unique = new Map(pieces.map((piece) => [keyOf(piece), piece]));
      for (const group of groupsOf([...unique.values()].sort(byPlace))) await this.#frames.read(group);
    };
    // Through the guard: closing waits for it.
    this.#guard.read(0, 0, fetch).catch(() => {});
  }
}

const byPlace = (a: Piece, b: Piece): number => (a.handle.key < b.handle.key ? -1 : a.handle.key > b.handle.key ? 1 : a.frame - b.frame);

/**
 * One disk at one recovery point as a read-only block device, read lazily out of the vault. Errors: POINT_NOT_FOUND, DAMAGED; reading:
 * UNREADABLE_EXTENT (the source could not read it), DAMAGED (names object and range).
 */
export const openView = async (
  history: MachineHistory,
  pointId: string,
  diskId: string,
  options: ViewOptions = {},
): Promise<BlockDevice> => {
  const point = history.points.find(({ id }) => id === pointId);
  if (point === undefined) throw pointNotFound(history, pointId);
  const member = point.point.members.find((candidate) => idText(candidate.diskId) === diskId);
  if (member?.epoch === undefined) throw diskNotInPoint(point, diskId);
  return openViewAt(history, diskId, member.epoch, options);
};

/** The same at any epoch of the history, also one in the middle of a copy. */
export const openViewAt = async (
  history: MachineHistory,
  diskId: string,
  epoch: EpochRef,
  options: ViewOptions = {},
): Promise<BlockDevice> => new DiskView(diskId, history.vault.id, await mapDisk(history, diskId, epoch), options);

const pointNotFound = ({ machine, points, damage }: MachineHistory, pointId: string): HoldfastError => {
  const newest = points.at(-1);
  const held = newest === undefined ? 'it has no recovery point yet' : `the newest of its ${points.length} is ${newest.id}`;
  return new HoldfastError('POINT_NOT_FOUND', {
    thing: `point ${pointId}`,
    why: `machine ${machine.id} has no such recovery point; ${held}${damage.length > 0 ? ', and a part of its log is damaged' : ''}`,
    remedy: 'list its points and choose one of them',
  });
};

const diskNotInPoint = ({ id, disks }: RecoveryPoint, diskId: string): HoldfastError =>
  new HoldfastError('POINT_NOT_FOUND', {
    thing: `disk ${diskId} at point ${id}`,
    why: `the point has the disks ${disks.join(', ')} only`,
    remedy: 'choose one of these disks, or another point',
  });

const refuseUnreadable = (diskId: string, start: number, end: number): HoldfastError =>
  new HoldfastError('UNREADABLE_EXTENT', {
    thing: `disk ${diskId}`,
    why: `bytes ${start} to ${end} could not be read at the source when the point was made`,
    remedy: 'read around them, or choose another point',
  });
