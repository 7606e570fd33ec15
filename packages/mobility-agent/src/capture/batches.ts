import type { Extent } from '@holdfast/block';
import type { DiskRead, DiskSource } from './disk-source.ts';
import { without } from './ranges.ts';

/** Extents read at the same time at most: a block is in doubt until the last of them is read. */
const READS_TOGETHER = 32;

/** Extents but for what is excluded, neighbours in this order together as far as they can be read at the same time. */
export function* batchesOf(extents: readonly Extent[], source: DiskSource, excluded: readonly Extent[]): Generator<Extent[]> {
  const most = source.readTogether === undefined ? 1 : READS_TOGETHER;
  let batch: Extent[] = [];
  let length = 0;
  for (const part of excluded.length === 0 ? extents : extents.flatMap((extent) => without(extent, excluded))) {
    if (batch.length === most || (batch.length > 0 && length + part.length > source.readLimit)) {
      yield batch;
      batch = [];
      length = 0;
    }
    batch.push(part);
    length += part.length;
  }
  if (batch.length > 0) yield batch;
}

/** Reads a batch; the bytes are valid until the next read. */
export const readBatch = (source: DiskSource, batch: readonly Extent[]): readonly DiskRead[] =>
  batch.length > 1 && source.readTogether !== undefined
    ? source.readTogether(batch)
    : batch.map(({ offset, length }) => source.read(offset, length));
