import { closeSync, constants, fstatSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { runScript } from '../consistency/run-script.ts';
import { thaw } from '../platform/ioctl.ts';
import { unpackDevice } from '../trace/device.ts';
import type { Undo } from './undo-log.ts';
import { removeSnapshot } from './volume-snapshot.ts';

/** Opens a file system by one of its mounts; undefined when something else is there by now. */
export const openFilesystem = ({ mountPoint, device }: { readonly mountPoint: string; readonly device: string }): number | undefined => {
  const fd = openSync(mountPoint, constants.O_RDONLY | constants.O_NONBLOCK);
  const { major, minor } = unpackDevice(fstatSync(fd).dev);
  // A file system without a block device of its own (btrfs) has other numbers for its parts.
  if (device.startsWith('0:') || `${major}:${minor}` === device) return fd;
  closeSync(fd);
  return undefined;
};

/** Thaws what is not known to be frozen; nothing when it is not. */
const thawByName = (place: { readonly mountPoint: string; readonly device: string }): void => {
  const fd = openFilesystem(place);
  if (fd === undefined) return;
  try {
    thaw(fd);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== 'EINVAL') throw reason;
  } finally {
    closeSync(fd);
  }
};

/** Takes back what a hold did. Gives what went wrong, in words. */
export const takeBack = async (undo: Undo): Promise<string | undefined> => {
  try {
    switch (undo.kind) {
      case 'thaw':
        thawByName(undo);
        return undefined;
      case 'write':
        writeFileSync(undo.file, undo.text);
        return undefined;
      case 'remove':
        rmSync(undo.folder, { recursive: true, force: true });
        return undefined;
      case 'snapshot':
        await removeSnapshot(undo.snapshot);
        return undefined;
      case 'script': {
        const { problem } = await runScript(undo.call, 'post');
        return problem === undefined ? undefined : `${undo.call.file} post: ${problem}`;
      }
    }
  } catch (reason) {
    const { code, message } = reason as NodeJS.ErrnoException;
    // The control group or the mount is gone, and with it what was done to it.
    return code === 'ENOENT' || code === 'ENODEV' ? undefined : `${describe(undo)}: ${message}`;
  }
};

const describe = (undo: Undo): string =>
  undo.kind === 'thaw' ? `thawing ${undo.mountPoint}` : undo.kind === 'write' ? `restoring ${undo.file}` : `undoing ${undo.kind}`;
