import { BLOCK_SIZE, type BlockDevice, type BlockSet, createBlockSet } from '@holdfast/block';
import { isHoldfastError } from '@holdfast/errors';
import { CHUNK_SPAN } from './digest-file.ts';

/** The bytes of one chunk of a disk. */
export interface DiskWindow {
  readonly offset: number;
  /** Valid until the next window is asked for. */
  readonly data: Uint8Array;
  /** Blocks of it, counted from its start, that could not be read; their bytes are zeroes and mean nothing. */
  readonly unreadable: BlockSet;
}

/** Attempts at a block before it counts as unreadable. */
const ATTEMPTS = 3;
const STRIDE = 128 * 1024;

/** Reads a range chunk by chunk, one ahead. `from` starts a chunk. */
export async function* readWindows(device: BlockDevice, from: number, to: number): AsyncGenerator<DiskWindow> {
  const buffers = [Buffer.allocUnsafeSlow(CHUNK_SPAN), Buffer.allocUnsafeSlow(CHUNK_SPAN)];
  const read = (offset: number): Promise<DiskWindow> | undefined => {
    if (offset >= to) return undefined;
    buffers.reverse();
    const ahead = readWindow(device, offset, buffers[0]!.subarray(0, Math.min(CHUNK_SPAN, to - offset)));
    // Looked at in its turn; until then nobody minds.
    ahead.catch(() => undefined);
    return ahead;
  };
  let next = read(from);
  try {
    while (next !== undefined) {
      const window: DiskWindow = await next;
      next = read(window.offset + window.data.length);
      yield window;
    }
  } finally {
    // Nobody may close the device under a read.
    await next?.catch(() => undefined);
  }
}

const readWindow = async (device: BlockDevice, offset: number, data: Uint8Array): Promise<DiskWindow> => {
  const unreadable = createBlockSet(data.length);
  if ((await device.allocated(offset, data.length)).length === 0) {
    data.fill(0);
    return { offset, data, unreadable };
  }
  if (await isRead(device, offset, data)) return { offset, data, unreadable };
  for (let at = 0; at < data.length; at += STRIDE) {
    const stride = data.subarray(at, at + STRIDE);
    if (!(await isRead(device, offset + at, stride))) await readBlocks(device, offset, data, at, stride.length, unreadable);
  }
  return { offset, data, unreadable };
};

const readBlocks = async (
  device: BlockDevice,
  offset: number,
  data: Uint8Array,
  from: number,
  length: number,
  unreadable: BlockSet,
): Promise<void> => {
  for (let at = from; at < from + length; at += BLOCK_SIZE) {
    const block = data.subarray(at, Math.min(at + BLOCK_SIZE, from + length));
    let done = false;
    for (let attempt = 0; attempt < ATTEMPTS && !done; attempt += 1) done = await isRead(device, offset + at, block);
    if (done) continue;
    block.fill(0);
    unreadable.add(at / BLOCK_SIZE);
  }
};

/** False when the device could not read it. Everything else that goes wrong concerns the device as a whole. */
const isRead = async (device: BlockDevice, offset: number, target: Uint8Array): Promise<boolean> => {
  try {
    await device.read(offset, target);
    return true;
  } catch (reason) {
    if (isHoldfastError(reason, 'IO_FAILED')) return false;
    throw reason;
  }
};
