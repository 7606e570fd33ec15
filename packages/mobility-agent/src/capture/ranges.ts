import { BLOCK_SIZE, type BlockSet, createSparseBlockSet, type Extent, extentEnd } from '@holdfast/block';

/** Adds every block of `from` to `to`. */
export const addAll = (to: BlockSet, from: BlockSet): void => {
  for (const { first, count } of from.runs()) to.addRun(first, count);
};

export const copyOf = (set: BlockSet): BlockSet => {
  const copy = createSparseBlockSet(set.blocks * BLOCK_SIZE);
  addAll(copy, set);
  return copy;
};

/** The blocks that a range of bytes touches. */
export function* blocksOf(offset: number, length: number): Iterable<number> {
  const last = Math.floor((offset + length - 1) / BLOCK_SIZE);
  for (let block = Math.floor(offset / BLOCK_SIZE); block <= last; block += 1) yield block;
}

/** The parts of `extent` that none of `holes` covers. */
export const without = (extent: Extent, holes: readonly Extent[]): Extent[] => {
  let parts: Extent[] = [extent];
  for (const hole of holes) {
    parts = parts.flatMap((part) => {
      const before = { offset: part.offset, length: Math.min(extentEnd(part), hole.offset) - part.offset };
      const from = Math.max(part.offset, extentEnd(hole));
      const behind = { offset: from, length: extentEnd(part) - from };
      if (hole.offset >= extentEnd(part) || extentEnd(hole) <= part.offset) return [part];
      return [before, behind].filter((one) => one.length > 0);
    });
  }
  return parts;
};

export const sameExtents = (a: readonly Extent[], b: readonly Extent[]): boolean =>
  a.length === b.length && a.every((extent, index) => extent.offset === b[index]!.offset && extent.length === b[index]!.length);
