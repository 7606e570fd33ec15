/** Changes are tracked, digested and restored in aligned blocks of this many bytes. */
export const BLOCK_SIZE = 4096;

/** Number of blocks of a disk of `size` bytes; the last one may be short. */
export const blockCount = (size: number): number => Math.ceil(size / BLOCK_SIZE);

/** Bytes that block `index` of a disk of `size` bytes really has: `BLOCK_SIZE`, less for a short last one. */
export const blockLength = (index: number, size: number): number => Math.min(BLOCK_SIZE, size - index * BLOCK_SIZE);
