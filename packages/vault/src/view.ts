import { type BlockDevice, createDeviceGuard, type DeviceGuard } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import { type EpochRef, idText } from '@holdfast/protocol';
import { type DiskMap, mapDisk, pathTo } from './disk-map.ts';
import { type ExtentMap, firstPieceBehind } from './extent-table.ts';
import { FrameReader } from './frame-reader.ts';
import type { MachineHistory, RecoveryPoint } from './history.ts';
import { EXTENT_KIND } from './segment-index.ts';

export interface ViewOptions {
  /** Bytes of decoded frames kept in memory, 64 MiB unless told. */
  readonly cacheBytes?: number;
}

const DEFAULT_CACHE = 64 * 1024 * 1024;
/** Groups of frames one read fetches at the same time. */
const CONCURRENCY = 4;

class DiskView implements BlockDevice {
  readonly size: number;
  readonly readOnly = true;
  readonly #diskId: string;
  readonly #pieces: ExtentMap;
  readonly #frames: FrameReader;
  readonly #guard: DeviceGuard;

  constructor(diskId: string, { size, pieces }: DiskMap, frames: FrameReader) {
    this.size = size;
    this.#diskId = diskId;
    this.#pieces = pieces;
    this.#frames = frames;
    this.#guard = createDeviceGuard({ name: `view of disk ${diskId}`, size, readOnly: true });
  }

  read(offset: number, target: Uint8Array): Promise<void> {
    return this.#guard.read(offset, target.length, async () => {
      const pieces = this.#piecesByFrame(offset, offset + target.length);
      target.fill(0);
      const groups = this.#frames.groups([...pieces.keys()].sort((a, b) => a - b));
      const work = async (): Promise<void> => {
        for (let group = groups.shift(); group !== undefined; group = groups.shift()) {
          const data = await this.#frames.read(group);
          for (const [i, frame] of group.entries()) for (const piece of pieces.get(frame)!) this.#copy(piece, data[i]!, offset, target);
        }
      };
      await Promise.all(Array.from({ length: CONCURRENCY }, work));
    });
  }

  allocated(offset: number, length: number): Promise<{ offset: number; length: number }[]> {
    return this.#guard.read(offset, length, async () => {
      const { starts, ends } = this.#pieces;
      const found: { offset: number; length: number }[] = [];
      for (const piece of this.#piecesIn(offset, offset + length)) {
        const start = Math.max(starts[piece]!, offset);
        const end = Math.min(ends[piece]!, offset + length);
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
    return this.#guard.close(async () => this.#frames.close());
  }

  *#piecesIn(start: number, end: number): Generator<number> {
    const pieces = this.#pieces;
    for (let piece = firstPieceBehind(pieces, start); piece < pieces.count && pieces.starts[piece]! < end; piece += 1) yield piece;
  }

  #piecesByFrame(start: number, end: number): Map<number, number[]> {
    const { kinds, frames, starts, ends } = this.#pieces;
    const byFrame = new Map<number, number[]>();
    for (const piece of this.#piecesIn(start, end)) {
      if (kinds[piece] === EXTENT_KIND.unreadable) throw unreadable(this.#diskId, starts[piece]!, ends[piece]!);
      const known = byFrame.get(frames[piece]!);
      if (known === undefined) byFrame.set(frames[piece]!, [piece]);
      else known.push(piece);
    }
    return byFrame;
  }

  /** Copies what a piece has of the range from `offset` on. */
  #copy(piece: number, data: Uint8Array, offset: number, target: Uint8Array): void {
    const { starts, ends, positions } = this.#pieces;
    const start = Math.max(starts[piece]!, offset);
    const end = Math.min(ends[piece]!, offset + target.length);
    const from = positions[piece]! + start - starts[piece]!;
    target.set(data.subarray(from, from + end - start), start - offset);
  }
}

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
  { generations, segments }: MachineHistory,
  diskId: string,
  epoch: EpochRef,
  { cacheBytes = DEFAULT_CACHE }: ViewOptions = {},
): Promise<BlockDevice> => {
  const map = await mapDisk(pathTo(generations, epoch), segments);
  return new DiskView(diskId, map, new FrameReader(diskId, map, segments, cacheBytes));
};

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

const unreadable = (diskId: string, start: number, end: number): HoldfastError =>
  new HoldfastError('UNREADABLE_EXTENT', {
    thing: `disk ${diskId}`,
    why: `bytes ${start} to ${end} could not be read at the source when the point was made`,
    remedy: 'read around them, or choose another point',
  });
