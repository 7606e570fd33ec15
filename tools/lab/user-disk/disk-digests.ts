import { spawn } from 'node:child_process';
import { BLOCK_SIZE, type BlockDevice, DIGEST_SIZE, digestBlocks } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import { createFaults, type Verdict } from '../verify/verdict.ts';

const CHUNK = 4 << 20;

/** Cuts a stream of bytes into chunks of this many; the last may be shorter. */
export async function* inChunks(stream: AsyncIterable<Buffer>, size: number): AsyncIterable<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const part of stream) {
    parts.push(part);
    length += part.length;
    if (length < size) continue;
    const all = Buffer.concat(parts);
    const whole = all.length - (all.length % size);
    for (let at = 0; at < whole; at += size) yield all.subarray(at, at + size);
    parts = [all.subarray(whole)];
    length = all.length - whole;
  }
  if (length > 0) yield Buffer.concat(parts);
}

/** SHA-256 digests of all blocks of a disk as it is, read past the page cache by a program that is not ours; bytes read so far go to `onProgress`. */
export const readDiskDigests = async (device: string, onProgress: (bytes: number) => void, signal?: AbortSignal): Promise<Uint8Array> => {
  const child = spawn('dd', [`if=${device}`, 'iflag=direct', `bs=${CHUNK}`, 'status=none'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const abort = () => void child.kill('SIGKILL');
  signal?.addEventListener('abort', abort, { once: true });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words += text;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const digests: Uint8Array[] = [];
  let done = 0;
  for await (const chunk of inChunks(child.stdout, CHUNK)) {
    digests.push(digestBlocks(chunk));
    done += chunk.length;
    onProgress(done);
  }
  const status = await ended;
  signal?.removeEventListener('abort', abort);
  signal?.throwIfAborted();
  if (status !== 0) {
    throw new HoldfastError('IO_FAILED', {
      thing: device,
      why: `dd ended with status ${status}: ${words.trim()}`,
      remedy: 'check the disk, then try again',
    });
  }
  return Buffer.concat(digests);
};

/** Compares every block of a recovered disk with the digests of the disk itself. */
export const compareWithDigests = async (name: string, view: BlockDevice, digests: Uint8Array, signal?: AbortSignal): Promise<Verdict> => {
  const faults = createFaults();
  const blocks = Math.ceil(view.size / BLOCK_SIZE);
  if (digests.length !== blocks * DIGEST_SIZE)
    faults.add(`${name}: ${view.size} bytes were recovered, ${digests.length / DIGEST_SIZE} blocks are on the disk`);
  const buffer = Buffer.alloc(CHUNK);
  for (let at = 0; at < view.size; at += CHUNK) {
    signal?.throwIfAborted();
    const part = buffer.subarray(0, Math.min(CHUNK, view.size - at));
    await view.read(at, part);
    const found = digestBlocks(part);
    const from = (at / BLOCK_SIZE) * DIGEST_SIZE;
    if (Buffer.compare(found, digests.subarray(from, from + found.length)) === 0) continue;
    for (let index = 0; index < found.length; index += DIGEST_SIZE) {
      const expected = digests.subarray(from + index, from + index + DIGEST_SIZE);
      if (Buffer.compare(found.subarray(index, index + DIGEST_SIZE), expected) !== 0) {
        faults.add(`${name}: the block at byte ${at + (index / DIGEST_SIZE) * BLOCK_SIZE} differs from the disk`);
      }
    }
  }
  return faults.verdict(name, `${blocks} blocks equal`);
};
