import { DIGEST_SIZE, digestBlock } from './digest.ts';
import { BLOCK_SIZE } from './geometry.ts';

/*
 * Digests as they are compared (docs/protocol.md, "Digests"): those of blocks, and in place of some of them a mark that no digest of a block
 * is. A block that is not known equals nothing, not even another such one.
 */

/** Every byte of the mark for a block of zeroes, and for one of which nothing is known. */
export const ZERO_MARK = 0x00;
export const UNKNOWN_MARK = 0xff;
/** Bytes of a disk that one coarse digest is about. */
export const COARSE_SPAN = 1024 * 1024;

const FINE_PER_COARSE = COARSE_SPAN / BLOCK_SIZE;
const ZEROES = new Uint8Array(BLOCK_SIZE);
const digestOf = (block: Uint8Array): Uint8Array => {
  const digest = new Uint8Array(DIGEST_SIZE);
  digestBlock(block, digest);
  return digest;
};
const ZERO_DIGEST = digestOf(ZEROES);

const isMarked = (digests: Uint8Array, at: number, mark: number): boolean => {
  for (let byte = at; byte < at + DIGEST_SIZE; byte += 1) if (digests[byte] !== mark) return false;
  return true;
};

/** True when the digest at `at` is the mark for a block of which nothing is known. */
export const isUnknown = (digests: Uint8Array, at = 0): boolean => digests[at] === UNKNOWN_MARK && isMarked(digests, at, UNKNOWN_MARK);

/** The digests of the blocks of `data`, which starts at a block, with marks for blocks of zeroes. */
export const knownDigests = (data: Uint8Array): Uint8Array => {
  const digests = new Uint8Array(Math.ceil(data.length / BLOCK_SIZE) * DIGEST_SIZE);
  const target = Buffer.from(digests.buffer);
  for (let from = 0, at = 0; from < data.length; from += BLOCK_SIZE, at += DIGEST_SIZE) {
    const block = data.subarray(from, Math.min(from + BLOCK_SIZE, data.length));
    if (block[0] === 0 && Buffer.compare(block, block.length === BLOCK_SIZE ? ZEROES : ZEROES.subarray(0, block.length)) === 0) continue;
    digestBlock(block, target, at);
  }
  return digests;
};

/** Puts the mark in the place of every digest that is that of a block of zeroes; the last of these blocks has `last` bytes. */
export const markZeroes = (digests: Uint8Array, last = BLOCK_SIZE): Uint8Array => {
  const mark = (at: number, zero: Uint8Array): void => {
    if (digests[at] !== zero[0] || Buffer.compare(digests.subarray(at, at + DIGEST_SIZE), zero) !== 0) return;
    digests.fill(ZERO_MARK, at, at + DIGEST_SIZE);
  };
  for (let at = 0; at < digests.length; at += DIGEST_SIZE) mark(at, ZERO_DIGEST);
  if (last < BLOCK_SIZE && digests.length > 0) mark(digests.length - DIGEST_SIZE, digestOf(ZEROES.subarray(0, last)));
  return digests;
};

/** One digest for each `COARSE_SPAN` of the blocks with these digests, which start at one: marks where all blocks are zeroes or one is not known. */
export const coarsen = (digests: Uint8Array): Uint8Array => {
  const count = Math.ceil(digests.length / DIGEST_SIZE / FINE_PER_COARSE);
  const coarse = new Uint8Array(count * DIGEST_SIZE);
  for (let index = 0; index < count; index += 1) {
    const fine = digests.subarray(index * FINE_PER_COARSE * DIGEST_SIZE, (index + 1) * FINE_PER_COARSE * DIGEST_SIZE);
    const to = index * DIGEST_SIZE;
    if (fine.every((byte) => byte === ZERO_MARK)) continue;
    let known = true;
    for (let at = 0; at < fine.length && known; at += DIGEST_SIZE) known = !isUnknown(fine, at);
    if (known) digestBlock(fine, coarse, to);
    else coarse.fill(UNKNOWN_MARK, to, to + DIGEST_SIZE);
  }
  return coarse;
};

/** True when the digests at `index` of two lists say that the bytes are the same. */
export const sameKnown = (a: Uint8Array, b: Uint8Array, index: number): boolean => {
  const at = index * DIGEST_SIZE;
  return Buffer.compare(a.subarray(at, at + DIGEST_SIZE), b.subarray(at, at + DIGEST_SIZE)) === 0 && !isUnknown(a, at);
};
