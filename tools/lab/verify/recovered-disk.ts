import { mkdirSync, rmSync } from 'node:fs';
import { attachLoop, detachLoop } from '../host/loop-devices.ts';
import { listMounts, mount, unmount } from '../host/mounts.ts';
import type { FileSystem } from '../site/file-systems.ts';
import { checkFileSystem } from './file-system-check.ts';
import type { Verdict } from './verdict.ts';

/** A raw export of one disk, put behind a loop device to be looked at as the kernel sees it. The file is written to and deleted in the end. */
export interface RecoveredDisk {
  readonly mountPoint: string;
  /** Log replay and the file system's own check; to be called before `mount`. */
  checkFileSystem(): Promise<Verdict>;
  mount(): Promise<void>;
  /** Unmounts, detaches and deletes. */
  close(): Promise<void>;
}

export const openRecoveredDisk = async (file: string, fileSystem: FileSystem, signal?: AbortSignal): Promise<RecoveredDisk> => {
  const mountPoint = `${file}.mounted`;
  mkdirSync(mountPoint);
  const device = await attachLoop(file, { signal });
  return {
    mountPoint,
    checkFileSystem: () => checkFileSystem({ fileSystem, device, mountPoint, signal }),
    mount: () => mount(device, mountPoint, fileSystem.copyOptions, { signal }),
    close: async () => {
      if (listMounts().some(({ directory }) => directory === mountPoint)) await unmount(mountPoint);
      await detachLoop(device);
      rmSync(mountPoint, { recursive: true });
      rmSync(file);
    },
  };
};
