import { popCount } from './block-set.ts';

/** Blocks of a region: 4 MiB of disk. */
export const REGION_BLOCKS = 1024;
/** Words of 32 bits that are the leaf of a region: one bit for each of its blocks, that of block `b` is bit `b & 31` of word `b >> 5`. */
export const LEAF_WORDS = REGION_BLOCKS / 32;

/** Bits that are set in the leaf at word `first`. */
export const countBits = (words: Uint32Array, first: number): number => {
  let count = 0;
  for (let word = first; word < first + LEAF_WORDS; word += 1) count += popCount(words[word]!);
  return count;
};

/** Sets or clears `count` bits from `at` on. Tells by how many there are more. */
export const setBits = (words: Uint32Array, first: number, at: number, count: number, isSet: boolean): number => {
  let more = 0;
  for (let bit = at; bit < at + count; ) {
    const from = bit & 31;
    const bits = Math.min(32 - from, at + count - bit);
    const mask = (bits === 32 ? -1 : (1 << bits) - 1) << from;
    const word = first + (bit >>> 5);
    const before = words[word]!;
    const after = (isSet ? before | mask : before & ~mask) >>> 0;
    if (after !== before) {
      words[word] = after;
      more += popCount(after) - popCount(before);
    }
    bit += bits;
  }
  return more;
};

/** Whether the first `room` bits are all set, or all clear. */
export const isUniform = (words: Uint32Array, first: number, room: number, isSet: boolean): boolean => {
  for (let word = 0; word * 32 < room; word += 1) {
    const left = room - word * 32;
    const all = left >= 32 ? 0xffff_ffff : 2 ** left - 1;
    if (words[first + word] !== (isSet ? all : 0)) return false;
  }
  return true;
};

/** The first bit from `at` on that is set, or clear; `REGION_BLOCKS` if there is none. */
export const nextBit = (words: Uint32Array, first: number, at: number, isSet: boolean): number => {
  if (at >= REGION_BLOCKS) return REGION_BLOCKS;
  const flip = isSet ? 0 : -1;
  let word = at >>> 5;
  let bits = (words[first + word]! ^ flip) & (-1 << (at & 31));
  while (bits === 0) {
    word += 1;
    if (word === LEAF_WORDS) return REGION_BLOCKS;
    bits = words[first + word]! ^ flip;
  }
  return word * 32 + 31 - Math.clz32(bits & -bits);
};
