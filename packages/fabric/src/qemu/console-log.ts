import { open } from 'node:fs/promises';
import { fromSystem } from '@holdfast/errors';

/** A machine that writes to its console without end shall not take the room of its own disks. */
const MOST_BYTES = 32 * 1024 * 1024;
const KEPT_BYTES = 1024 * 1024;

/** Cuts what a console printed down to its end once there is too much of it. QEMU appends, so it goes on behind that. */
export const trimConsole = async (file: string, most = MOST_BYTES, kept = KEPT_BYTES): Promise<void> => {
  try {
    const handle = await open(file, 'r+');
    try {
      const { size } = await handle.stat();
      if (size <= most) return;
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(kept), 0, kept, size - kept);
      await handle.truncate(0);
      const end = await open(file, 'a');
      await end.writeFile(buffer.subarray(0, bytesRead)).finally(() => end.close());
    } finally {
      await handle.close();
    }
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== 'ENOENT') throw fromSystem(reason, file);
  }
};
