import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { attachLoop, detachLoop } from '../../lab/host/loop-devices.ts';
import { runTool } from '../../lab/host/run-tool.ts';

/** A loop device over a sparse file in memory. Nothing of it outlives this process, however it ends. */
export interface LoadDisk {
  /** `/dev/loop3` */
  readonly device: string;
  remove(): Promise<void>;
}

/** Makes one of `size` bytes. The file is unlinked at once; as long as it is open here the device stays. */
export const createLoadDisk = async (size: number): Promise<LoadDisk> => {
  const folder = mkdtempSync('/dev/shm/holdfast-load-');
  try {
    const file = path.join(folder, 'disk');
    writeFileSync(file, '');
    truncateSync(file, size);
    const device = await attachLoop(file);
    const held = openSync(device, 'r');
    // From now on the kernel detaches it as soon as nobody has it open any more.
    await runTool('losetup', ['--detach', device]);
    return {
      device,
      remove: async () => {
        closeSync(held);
        await detachLoop(device);
      },
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
};
