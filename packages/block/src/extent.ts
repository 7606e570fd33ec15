/** A range of bytes of a disk. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** First byte behind the extent. */
export const extentEnd = (extent: Extent): number => extent.offset + extent.length;

export const totalLength = (extents: Iterable<Extent>): number => {
  let sum = 0;
  for (const { length } of extents) sum += length;
  return sum;
};

/** The same bytes as sorted extents that neither touch nor overlap. */
export const mergeExtents = (extents: Iterable<Extent>): Extent[] => {
  const merged: { offset: number; length: number }[] = [];
  for (const { offset, length } of [...extents].sort((a, b) => a.offset - b.offset)) {
    if (length === 0) continue;
    const last = merged.at(-1);
    if (last !== undefined && offset <= extentEnd(last)) last.length = Math.max(last.length, offset + length - last.offset);
    else merged.push({ offset, length });
  }
  return merged;
};
