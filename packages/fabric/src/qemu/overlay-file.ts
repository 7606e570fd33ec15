import { execFile } from 'node:child_process';
import { open, rename, rm, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { DiskSource } from '../machine-shape.ts';

const run = promisify(execFile);

type NbdSource = Extract<DiskSource, { kind: 'nbd' }>;

/** `QFI` and 0xfb, then version, then the offset of the name of the backing file, 0 without one: docs/interop/qcow2.txt of QEMU. */
const MAGIC = 0x514649fb;
const BACKING_OFFSET_AT = 8;

/**
 * Makes the overlay of a disk: what is written to it, and what was copied from its source. Without subclusters (`extended_l2`), which would save reading
 * around small writes: QEMU 7.2 ends with a failed assertion when such a file is hydrated. It appears whole or not at all.
 */
export const createOverlayFile = async (file: string, size: number, source: NbdSource): Promise<void> => {
  if (await stat(file).catch(() => undefined)) return;
  const unfinished = `${file}.new`;
  await rm(unfinished, { force: true });
  const backing = `nbd+unix:///${encodeURIComponent(source.export)}?socket=${encodeURIComponent(source.socket).replaceAll('%2F', '/')}`;
  try {
    await run('qemu-img', ['create', '-q', '-u', '-f', 'qcow2', '-F', 'raw', '-b', backing, unfinished, `${size}`]);
  } catch (cause) {
    const { code, stderr = '', message } = cause as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT')
      throw new HoldfastError('TOOL_MISSING', {
        thing: 'qemu-img',
        why: 'it is not installed here',
        remedy: 'install it: on Debian `apt install qemu-utils`',
        cause,
      });
    throw new HoldfastError('FABRIC_FAILED', {
      thing: file,
      why: stderr.trim() || message,
      remedy: 'see that the directory can be written and has room',
      cause,
    });
  }
  await rename(unfinished, file).catch((reason: unknown) => {
    throw fromSystem(reason, file);
  });
};

/** True when the overlay has all of its disk and needs its source no more. Errors: DAMAGED, OBJECT_NOT_FOUND. */
export const isHydrated = async (file: string): Promise<boolean> => {
  const handle = await open(file, 'r').catch((reason: unknown) => {
    throw fromSystem(reason, file);
  });
  try {
    const header = Buffer.alloc(16);
    const { bytesRead } = await handle.read(header, 0, header.length, 0);
    if (bytesRead < header.length || header.readUInt32BE(0) !== MAGIC)
      throw new HoldfastError('DAMAGED', { thing: file, why: 'it is no qcow2 file', remedy: 'discard the machine and recover it again' });
    return header.readBigUInt64BE(BACKING_OFFSET_AT) === 0n;
  } finally {
    await handle.close();
  }
};
