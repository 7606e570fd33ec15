// QEMU's docs/interop/qcow2.txt, version 3. The tables stand before the data, so which clusters there are has to be known before the first byte is
// written: those the device calls allocated. What of them is zero all the same is data like any other, and a hole in a file.
import type { BlockDevice } from '@holdfast/block';
import type { Encoding, Piece } from './image-format.ts';
import type { Chunk } from './read-chunks.ts';

const SECTOR = 512;
const CLUSTER_BITS = 16;
const CLUSTER = 2 ** CLUSTER_BITS;
const ENTRIES = CLUSTER / 8;
/** Reference counts of 16 bits in a cluster of them. */
const COUNTS = CLUSTER / 2;
/** Set where nothing else refers to the cluster: it may be written in place. */
const SOLE = 1n << 63n;
/** Bytes asked `allocated` for at once. */
const WINDOW = 1024 * CLUSTER;

/** Clusters of the guest that have data: a bit each. */
interface Allocation {
  readonly clusters: number;
  readonly used: number;
  has(cluster: number): boolean;
}

export const encodeQcow2 = (device: BlockDevice, chunks: AsyncIterable<Chunk>): Encoding => {
  const virtualSize = Math.ceil(device.size / SECTOR) * SECTOR;
  return { virtualSize, pieces: pieces(device, virtualSize, chunks) };
};

async function* pieces(device: BlockDevice, size: number, chunks: AsyncIterable<Chunk>): AsyncGenerator<Piece> {
  const allocation = await readAllocation(device);
  const layout = layOut(allocation);
  yield { data: header(size, layout) };
  yield { hole: CLUSTER - HEADER };
  yield* referenceCounts(layout);
  yield* tables(allocation, layout);
  yield* clusters(allocation, chunks);
}

/** Data of the allocated clusters, in the order of the disk; the last is made whole. */
async function* clusters(allocation: Allocation, chunks: AsyncIterable<Chunk>): AsyncGenerator<Piece> {
  for await (const { offset, length, data } of chunks)
    for (let at = 0; at < length; ) {
      const from = at;
      while (at < length && allocation.has((offset + at) / CLUSTER)) at += CLUSTER;
      if (at === from) at += CLUSTER;
      else yield* run(data?.subarray(from, at), at - from);
    }
}

/** The data of neighbours; the last of a disk may be shorter than a cluster, and is made whole. */
function* run(data: Uint8Array | undefined, length: number): Generator<Piece> {
  if (data !== undefined) yield { data };
  const missing = length - (data?.length ?? 0);
  if (missing > 0) yield { hole: missing };
}

const readAllocation = async (device: BlockDevice): Promise<Allocation> => {
  const count = Math.ceil(device.size / CLUSTER);
  const bits = new Uint8Array(Math.ceil(count / 8));
  let used = 0;
  for (let at = 0; at < device.size; at += WINDOW)
    for (const { offset, length } of await device.allocated(at, Math.min(WINDOW, device.size - at)))
      for (let cluster = Math.floor(offset / CLUSTER); cluster * CLUSTER < offset + length; cluster += 1) {
        const mask = 1 << (cluster & 7);
        if ((bits[cluster >> 3]! & mask) === 0) used += 1;
        bits[cluster >> 3]! |= mask;
      }
  return { clusters: count, used, has: (cluster) => (bits[cluster >> 3]! & (1 << (cluster & 7))) !== 0 };
};

/** Clusters of the image: the header, then these, in this order. */
interface Layout {
  readonly countTable: number;
  readonly countBlocks: number;
  readonly l1: number;
  readonly l1Entries: number;
  readonly l2: number;
  readonly total: number;
}

const layOut = (allocation: Allocation): Layout => {
  const l1Entries = Math.ceil(allocation.clusters / ENTRIES);
  let l2 = 0;
  for (let table = 0; table < l1Entries; table += 1) if (hasTable(allocation, table)) l2 += 1;
  const l1 = Math.max(1, Math.ceil((l1Entries * 8) / CLUSTER));
  const others = 1 + l1 + l2 + allocation.used;
  // The counts count themselves: more of them until they suffice.
  let countBlocks = 1;
  let countTable = 1;
  for (;;) {
    const total = others + countBlocks + countTable;
    const blocks = Math.ceil(total / COUNTS);
    const table = Math.ceil((blocks * 8) / CLUSTER);
    if (blocks <= countBlocks && table <= countTable) return { countTable, countBlocks, l1, l1Entries, l2, total };
    countBlocks = Math.max(blocks, countBlocks);
    countTable = Math.max(table, countTable);
  }
};

const hasTable = (allocation: Allocation, table: number): boolean => {
  const end = Math.min(allocation.clusters, (table + 1) * ENTRIES);
  for (let cluster = table * ENTRIES; cluster < end; cluster += 1) if (allocation.has(cluster)) return true;
  return false;
};

const HEADER = 112;

const header = (size: number, { countTable, countBlocks, l1Entries }: Layout): Buffer => {
  const piece = Buffer.alloc(HEADER);
  piece.write('QFI\xfb', 0, 'latin1');
  piece.writeUInt32BE(3, 4);
  piece.writeUInt32BE(CLUSTER_BITS, 20);
  piece.writeBigUInt64BE(BigInt(size), 24);
  piece.writeUInt32BE(l1Entries, 36);
  piece.writeBigUInt64BE(BigInt((1 + countTable + countBlocks) * CLUSTER), 40);
  piece.writeBigUInt64BE(BigInt(CLUSTER), 48);
  piece.writeUInt32BE(countTable, 56);
  piece.writeUInt32BE(4, 96); // reference counts of 2^4 bits
  piece.writeUInt32BE(104, 100); // what follows is the end of the header's extensions
  return piece;
};

function* referenceCounts({ countTable, countBlocks, total }: Layout): Generator<Piece> {
  const table = Buffer.alloc(countTable * CLUSTER);
  for (let block = 0; block < countBlocks; block += 1) table.writeBigUInt64BE(BigInt((1 + countTable + block) * CLUSTER), block * 8);
  yield { data: table };
  for (let block = 0; block < countBlocks; block += 1) {
    const counts = Buffer.alloc(CLUSTER);
    const end = Math.min(COUNTS, total - block * COUNTS);
    for (let cluster = 0; cluster < end; cluster += 1) counts.writeUInt16BE(1, cluster * 2);
    yield { data: counts };
  }
}

function* tables(allocation: Allocation, { countTable, countBlocks, l1, l1Entries, l2 }: Layout): Generator<Piece> {
  const begin = 1 + countTable + countBlocks;
  const top = Buffer.alloc(l1 * CLUSTER);
  let next = begin + l1;
  const present: number[] = [];
  for (let table = 0; table < l1Entries; table += 1) {
    if (!hasTable(allocation, table)) continue;
    present.push(table);
    top.writeBigUInt64BE(BigInt(next * CLUSTER) | SOLE, table * 8);
    next += 1;
  }
  yield { data: top };
  let data = begin + l1 + l2;
  for (const table of present) {
    const entries = Buffer.alloc(CLUSTER);
    const end = Math.min(ENTRIES, allocation.clusters - table * ENTRIES);
    for (let entry = 0; entry < end; entry += 1) {
      if (!allocation.has(table * ENTRIES + entry)) continue;
      entries.writeBigUInt64BE(BigInt(data * CLUSTER) | SOLE, entry * 8);
      data += 1;
    }
    yield { data: entries };
  }
}
