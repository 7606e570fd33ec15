import { randomUUID } from 'node:crypto';
import { link, open, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { BlockDevice } from './block-device.ts';
import { holdExclusively } from './exclusive-use.ts';
import { createFileDevice, openFileDevice } from './file-device.ts';
import { assembleOverlay, type Overlay } from './overlay-device.ts';
import { decodeOverlayHeader, encodeOverlayHeader, HEADER_SIZE, type OverlayHeader, overlayLayout } from './overlay-header.ts';
import { createForgetfulKeeper, loadKeeper } from './overlay-keeper.ts';

export interface OverlayOptions {
  /** Names what `base` is, for example vault, point and disk: a kept overlay opens over this and nothing else. At most 1024 bytes. */
  readonly identity: string;
  /** The file that keeps the overlay; it is made, or taken up where it was left. Absent: the overlay ends when it is closed. */
  readonly path?: string;
  /** Where an overlay that isn't kept puts its data; the system's temporary directory unless told. */
  readonly directory?: string;
}

/**
 * Lays a writable copy-on-write layer over `base`, in blocks of 4 KiB, in a sparse local file. A kept overlay survives: a write once
 * completed outlives this process, a write once flushed outlives a power loss. The base stays open when the overlay is closed.
 * Errors: OVERLAY_MISMATCH (it belongs to another base), DAMAGED, DEVICE_IN_USE (it is open elsewhere), NO_SPACE, NO_PERMISSION.
 */
export const createOverlay = (base: BlockDevice, { identity, path, directory = tmpdir() }: OverlayOptions): Promise<Overlay> =>
  path === undefined ? createTemporary(base, identity, directory) : openKept(base, identity, path);

const createTemporary = async (base: BlockDevice, identity: string, directory: string): Promise<Overlay> => {
  const path = join(directory, `holdfast-overlay-${randomUUID()}`);
  const file = await createFileDevice(path, base.size);
  // Nameless from here on, so that not even a killed process leaves it behind.
  await rm(path);
  const keeper = createForgetfulKeeper(base.size);
  return assembleOverlay({ name: `overlay over ${identity}`, base, file, dataAt: 0, keeper, release: async () => {} });
};

const openKept = async (base: BlockDevice, identity: string, path: string): Promise<Overlay> => {
  const layout = overlayLayout(base.size);
  await createUnlessThere(path, layout.size, encodeOverlayHeader({ diskSize: base.size, identity }));
  const letGo = await holdExclusively(path);
  let file: BlockDevice | undefined;
  try {
    file = await openFileDevice(path);
    await checkHeader(file, path, { diskSize: base.size, identity });
    const keeper = await loadKeeper(file, layout, base.size, await bootId());
    const release = async (end: 'keep' | 'discard'): Promise<void> => {
      if (end === 'discard') await rm(path, { force: true });
      await letGo();
    };
    return assembleOverlay({ name: path, base, file, dataAt: layout.dataAt, keeper, release });
  } catch (reason) {
    await file?.close();
    await letGo();
    throw reason;
  }
};

/** The file appears under its name with a complete header or not at all. */
const createUnlessThere = async (path: string, size: number, header: Uint8Array): Promise<void> => {
  if (await stat(path).catch(() => undefined)) return;
  const unfinished = `${path}.${randomUUID()}.new`;
  const file = await createFileDevice(unfinished, size).catch(({ code, why, remedy }: HoldfastError) => {
    throw new HoldfastError(code, { thing: path, why, remedy });
  });
  try {
    await file.write(0, header);
    await file.flush();
    await link(unfinished, path);
    await syncDirectory(dirname(path));
  } catch (reason) {
    throw fromSystem(reason, path);
  } finally {
    await file.close();
    await rm(unfinished, { force: true });
  }
};

const checkHeader = async (file: BlockDevice, path: string, wanted: OverlayHeader): Promise<void> => {
  const bytes = Buffer.alloc(Math.min(HEADER_SIZE, file.size));
  await file.read(0, bytes);
  const found = decodeOverlayHeader(path, bytes);
  const mismatch = (why: string): HoldfastError =>
    new HoldfastError('OVERLAY_MISMATCH', { thing: path, why, remedy: 'open it over its own base, or name another file' });
  if (found.identity !== wanted.identity) throw mismatch(`it belongs to "${found.identity}", not to "${wanted.identity}"`);
  if (found.diskSize !== wanted.diskSize) {
    throw mismatch(`it was made for a disk of ${found.diskSize} bytes, and this one has ${wanted.diskSize}`);
  }
  if (file.size < overlayLayout(wanted.diskSize).size) {
    throw new HoldfastError('DAMAGED', { thing: path, why: 'its end is missing', remedy: 'remove it and begin a new overlay' });
  }
};

const syncDirectory = async (path: string): Promise<void> => {
  const directory = await open(path, 'r');
  await directory.sync().finally(() => directory.close());
};

/** Differs after every start of the kernel; empty where there is no such thing. */
const bootId = async (): Promise<string> => (await readFile('/proc/sys/kernel/random/boot_id', 'latin1').catch(() => '')).trim();
