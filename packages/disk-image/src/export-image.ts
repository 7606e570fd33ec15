import { type FileHandle, lstat, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type BlockDevice, type Extent, holdExclusively, mergeExtents } from '@holdfast/block';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { encodeImage } from './encode-image.ts';
import type { ImageFormat, ImageLabel, Piece } from './image-format.ts';
import { openImageWriter } from './image-writer.ts';
import { type Chunk, type ReadChunksOptions, readChunks } from './read-chunks.ts';
import { clearUnfinished, unfinishedName } from './unfinished.ts';

export interface ExportOptions extends ReadChunksOptions {
  readonly format: ImageFormat;
  readonly label: ImageLabel;
  /** Replaces a file that is there. */
  readonly force: boolean;
  /** Called with the bytes of the disk done so far. */
  readonly onProgress?: (done: number) => void;
}

export interface Exported {
  /** Bytes of the image file. */
  readonly size: number;
  /** Bytes of the disk a machine sees in it. */
  readonly virtualSize: number;
  /** Bytes of it that are no hole. */
  readonly written: number;
  /** SHA-256 of the whole image, as `sha256sum` tells it. */
  readonly sha256: string;
  /** What the source could not read when the point was made: zeroes in the image. */
  readonly unreadable: readonly Extent[];
}

const ZEROES = Buffer.alloc(1024 * 1024);
/** Pieces are gathered until they are this long. */
const GATHERED = 1024 * 1024;

/**
 * Writes a device into a new image, readable by its owner only, with holes where it is zero. The image appears under its name when it is whole and
 * durable; what is unfinished bears another name and is removed, at the latest by the next export to this file. Errors: OBJECT_EXISTS, NO_SPACE, NO_PERMISSION, UNSUPPORTED_OPERATION when the target is
 * no file or the format cannot hold the disk; those of the device.
 */
export const exportImage = async (device: BlockDevice, file: string, options: ExportOptions): Promise<Exported> => {
  await checkTarget(file, options.force);
  await clearUnfinished(file);
  const unfinished = unfinishedName(file);
  try {
    const target = await open(unfinished, 'wx', 0o600);
    let release: (() => Promise<void>) | undefined;
    try {
      // Who clears up finds out by this that it is not left over.
      release = await holdExclusively(unfinished);
      const exported = await copy(device, target, options);
      await target.sync();
      // Somebody may have made the file meanwhile.
      await checkTarget(file, options.force);
      await rename(unfinished, file);
      await syncDirectory(dirname(file));
      return exported;
    } finally {
      await release?.();
      await target.close();
    }
  } catch (reason) {
    throw fromSystem(reason, file);
  } finally {
    await rm(unfinished, { force: true });
  }
};

const copy = async (device: BlockDevice, target: FileHandle, options: ExportOptions): Promise<Exported> => {
  const unreadable: Extent[] = [];
  const { virtualSize, pieces } = encodeImage(options.format, device, watched(device, options, unreadable), options.label);
  const writer = openImageWriter(target.fd, device.size);
  try {
    for await (const piece of gathered(pieces)) await writer.add(piece);
    const { size, written, sha256 } = await writer.end();
    await target.truncate(size);
    return { size, virtualSize, written, sha256, unreadable: mergeExtents(unreadable) };
  } finally {
    await writer.close();
  }
};

/** The chunks of the device; tells how far it is, and notes what could not be read. */
async function* watched(device: BlockDevice, options: ExportOptions, unreadable: Extent[]): AsyncGenerator<Chunk> {
  for await (const chunk of readChunks(device, options)) {
    yield chunk;
    unreadable.push(...chunk.unreadable);
    options.onProgress?.(chunk.offset + chunk.length);
  }
}

/** Small pieces become larger ones, so that each is worth a call. */
async function* gathered(pieces: AsyncIterable<Piece>): AsyncGenerator<Piece> {
  let small: Uint8Array[] = [];
  let length = 0;
  const gather = (): Piece => {
    const data = Buffer.concat(small, length);
    small = [];
    length = 0;
    return { data };
  };
  for await (const piece of pieces) {
    const size = 'hole' in piece ? piece.hole : piece.data.length;
    if (size < GATHERED && length + size <= GATHERED) {
      // Copied: what a piece holds is there until the next one.
      small.push('hole' in piece ? ZEROES.subarray(0, size) : Uint8Array.from(piece.data));
      length += size;
      continue;
    }
    if (length > 0) yield gather();
    yield piece;
  }
  if (length > 0) yield gather();
}

const checkTarget = async (file: string, force: boolean): Promise<void> => {
  const status = await lstat(file).catch((reason: NodeJS.ErrnoException) => {
    if (reason.code === 'ENOENT') return undefined;
    throw fromSystem(reason, file);
  });
  if (status === undefined) return;
  if (!status.isFile())
    throw new HoldfastError('UNSUPPORTED_OPERATION', {
      thing: file,
      why: 'it is no regular file, and an export makes one',
      remedy: 'name a new file; to fill a disk, serve the point and copy with `qemu-img convert` or `nbdcopy`',
    });
  if (!force)
    throw new HoldfastError('OBJECT_EXISTS', { thing: file, why: 'it exists', remedy: 'name another file, or replace it with --force' });
};

const syncDirectory = async (path: string): Promise<void> => {
  const directory = await open(path, 'r');
  await directory.sync().finally(() => directory.close());
};
