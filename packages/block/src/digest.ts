import { hash } from 'node:crypto';
import { BLOCK_SIZE } from './geometry.ts';

/** Bytes of a block digest: SHA-256 truncated to 128 bits. */
export const DIGEST_SIZE = 16;

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Writes the digest of one block (`block` holds its real bytes, a short last block is digested as it is) into `target` at `at`. */
export const digestBlock = (block: Uint8Array, target: Uint8Array, at = 0): void => {
  // One character a byte: a buffer for each digest costs more, and the collector much more.
  const buffer = target instanceof Buffer ? target : asBuffer(target);
  buffer.write(hash('sha256', block, 'binary'), at, DIGEST_SIZE, 'latin1');
};

/** The digests of all blocks of `data`, one after the other. `data` starts at a block boundary of the disk. */
export const digestBlocks = (data: Uint8Array): Uint8Array => {
  const digests = new Uint8Array(Math.ceil(data.length / BLOCK_SIZE) * DIGEST_SIZE);
  const target = asBuffer(digests);
  for (let from = 0, at = 0; from < data.length; from += BLOCK_SIZE, at += DIGEST_SIZE) {
    digestBlock(data.subarray(from, Math.min(from + BLOCK_SIZE, data.length)), target, at);
  }
  return digests;
};
