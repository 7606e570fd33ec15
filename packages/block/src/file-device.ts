import fs from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { BlockDevice } from './block-device.ts';
import { coalesce } from './coalesce.ts';
import { createDeviceGuard, type DeviceGuard } from './device-guard.ts';
import type { Extent } from './extent.ts';
import { BLOCK_SIZE } from './geometry.ts';
import { punchHole } from './punch-hole.ts';

/** Zeroed ranges shorter than this are written: a hole costs a process (no portable call for it exists) and frees little. */
const HOLE_WORTHWHILE = 1024 * 1024;
const ZEROES = new Uint8Array(HOLE_WORTHWHILE);

class FileDevice implements BlockDevice {
  readonly size: number;
  readonly readOnly: boolean;
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #guard: DeviceGuard;
  #holes = true;
  #flushFailure: HoldfastError | undefined;
  readonly #flush = coalesce(async () => {
    // The kernel forgets a failed write-back once it was reported: a later fdatasync would succeed although data is lost.
    if (this.#flushFailure !== undefined) throw this.#flushFailure;
    await this.#handle.datasync().catch((reason: unknown) => {
      this.#flushFailure = fromSystem(reason, this.#path);
      throw this.#flushFailure;
    });
  });

  constructor(path: string, handle: FileHandle, size: number, readOnly: boolean) {
    this.#path = path;
    this.#handle = handle;
    this.size = size;
    this.readOnly = readOnly;
    this.#guard = createDeviceGuard({ name: path, size, readOnly });
  }

  read(offset: number, target: Uint8Array): Promise<void> {
    return this.#guard.read(offset, target.length, () => this.#transfer(fs.read, offset, target, 'read'));
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    return this.#guard.write(offset, data.length, () => this.#transfer(fs.write, offset, data, 'written'));
  }

  zero(offset: number, length: number): Promise<void> {
    return this.#guard.write(offset, length, async () => {
      // Holes are whole blocks; what sticks out at both ends is written.
      const from = Math.ceil(offset / BLOCK_SIZE) * BLOCK_SIZE;
      const to = Math.floor((offset + length) / BLOCK_SIZE) * BLOCK_SIZE;
      if (to - from < HOLE_WORTHWHILE || !(await this.#punch(from, to - from))) return this.#fill(offset, length);
      await this.#fill(offset, from - offset);
      await this.#fill(to, offset + length - to);
    });
  }

  flush(): Promise<void> {
    return this.#guard.read(0, 0, this.#flush);
  }

  async allocated(offset: number, length: number): Promise<Extent[]> {
    return this.#guard.read(offset, length, async () => (length === 0 ? [] : [{ offset, length }]));
  }

  close(): Promise<void> {
    return this.#guard.close(() => this.#handle.close());
  }

  // The callback functions: a FileHandle's promises cost more than twice the processor time for each call.
  #transfer(call: typeof fs.read | typeof fs.write, offset: number, bytes: Uint8Array, verb: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = (reason: unknown): void => reject(this.#failure(reason, offset, bytes.length, verb));
    const step = (done: number): void => {
      if (done === bytes.length) {
        resolve();
        return;
      }
      (call as typeof fs.write)(this.#handle.fd, bytes, done, bytes.length - done, offset + done, (error, count) => {
        if (error !== null) fail(error);
        else if (count === 0) fail(this.#shorter());
        else step(done + count);
      });
    };
    step(0);
    return promise;
  }

  async #punch(offset: number, length: number): Promise<boolean> {
    this.#holes &&= await punchHole(this.#handle.fd, offset, length);
    return this.#holes;
  }

  async #fill(offset: number, length: number): Promise<void> {
    for (let done = 0; done < length; done += ZEROES.length) {
      const part = ZEROES.subarray(0, Math.min(ZEROES.length, length - done));
      await this.#transfer(fs.write, offset + done, part, 'zeroed');
    }
  }

  #shorter(): HoldfastError {
    return new HoldfastError('DEVICE_CHANGED', {
      thing: this.#path,
      why: 'it has become shorter since it was opened',
      remedy: 'find out what cut it, then open it again',
    });
  }

  #failure(reason: unknown, offset: number, length: number, verb: string): HoldfastError {
    const { code, remedy, why } = fromSystem(reason, this.#path);
    return new HoldfastError(code, {
      thing: this.#path,
      why: `${length} bytes from ${offset} could not be ${verb}: ${why}`,
      remedy,
      cause: reason,
    });
  }
}

export interface FileDeviceOptions {
  /** Opened for reading only; false unless told. */
  readonly readOnly?: boolean;
}

/**
 * Opens a raw image file or a block device. A file keeps the size it has now. A block device opened for writing is claimed, so that one
 * with a mounted file system is refused. Calls go through the page cache. Errors: OBJECT_NOT_FOUND, NO_PERMISSION, DEVICE_IN_USE,
 * DEVICE_UNSUPPORTED (neither file nor block device).
 */
export const openFileDevice = async (path: string, { readOnly = false }: FileDeviceOptions = {}): Promise<BlockDevice> => {
  const handle = await openHandle(path, readOnly);
  try {
    return new FileDevice(path, handle, await sizeOf(path, handle), readOnly);
  } catch (reason) {
    await handle.close();
    throw fromSystem(reason, path);
  }
};

/** Makes a new sparse file of `size` bytes, readable by its owner only. Errors: OBJECT_EXISTS, NO_SPACE, NO_PERMISSION. */
export const createFileDevice = async (path: string, size: number): Promise<BlockDevice> => {
  const handle = await open(path, 'wx+', 0o600).catch((reason: unknown) => {
    throw fromSystem(reason, path);
  });
  try {
    await handle.truncate(size);
    return new FileDevice(path, handle, size, false);
  } catch (reason) {
    await handle.close();
    await fs.promises.rm(path, { force: true });
    throw fromSystem(reason, path);
  }
};

const openHandle = async (path: string, readOnly: boolean): Promise<FileHandle> => {
  const { O_RDONLY, O_RDWR, O_EXCL } = fs.constants;
  try {
    // On a block device O_EXCL claims it from file systems, RAID and other claimants (open(2)).
    const exclusive = !readOnly && (await fs.promises.stat(path)).isBlockDevice() ? O_EXCL : 0;
    return await open(path, readOnly ? O_RDONLY : O_RDWR | exclusive);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== 'EBUSY') throw fromSystem(reason, path);
    throw new HoldfastError('DEVICE_IN_USE', {
      thing: path,
      why: 'it is mounted, or something else has claimed it',
      remedy: 'unmount it or open it read-only',
      cause: reason,
    });
  }
};

const sizeOf = async (path: string, handle: FileHandle): Promise<number> => {
  const stat = await handle.stat();
  if (stat.isFile()) return stat.size;
  if (!stat.isBlockDevice()) {
    throw new HoldfastError('DEVICE_UNSUPPORTED', {
      thing: path,
      why: 'it is neither a file nor a block device',
      remedy: 'name an image file or a disk',
    });
  }
  // dev_t as user space has it (gnu_dev_major, gnu_dev_minor); sysfs counts sectors of 512 bytes whatever the disk's are.
  const major = ((stat.rdev >>> 8) & 0xfff) | (Math.floor(stat.rdev / 2 ** 32) & 0xfffff000);
  const minor = (stat.rdev & 0xff) | ((stat.rdev >>> 12) & 0xfff00);
  return Number(await readFile(`/sys/dev/block/${major}:${minor}/size`, 'latin1')) * 512;
};
