import { open } from 'node:fs/promises';
import { type BlockDevice, extentEnd } from '@holdfast/block';

const CHUNK = 1 << 20;
const ZEROES = Buffer.alloc(CHUNK);

/** Writes the whole of a device into a new sparse file. */
export const exportRaw = async (device: BlockDevice, file: string, signal?: AbortSignal): Promise<void> => {
  const target = await open(file, 'wx');
  try {
    await target.truncate(device.size);
    const buffer = Buffer.alloc(CHUNK);
    for (const extent of await device.allocated(0, device.size)) {
      for (let at = extent.offset; at < extentEnd(extent); at += CHUNK) {
        signal?.throwIfAborted();
        const part = buffer.subarray(0, Math.min(CHUNK, extentEnd(extent) - at));
        await device.read(at, part);
        if (Buffer.compare(part, ZEROES.subarray(0, part.length)) !== 0) await target.write(part, 0, part.length, at);
      }
    }
  } finally {
    await target.close();
  }
};
