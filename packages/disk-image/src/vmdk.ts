// "Virtual Disk Format 5.0", VMware, 2011: a hosted sparse extent in its stream-optimized kind. Grains are deflated and follow each other in the order of
// the disk, each table of grains follows its grains, and the directory stands at the end: it can be made without ever going back.
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import { HoldfastError } from '@holdfast/errors';
import type { Encoding, ImageLabel, Piece } from './image-format.ts';
import type { Chunk } from './read-chunks.ts';

const SECTOR = 512;
const GRAIN = 64 * 1024;
const GRAIN_SECTORS = GRAIN / SECTOR;
const GRAINS_IN_TABLE = 512;
const TABLE = GRAIN * GRAINS_IN_TABLE;
/** Sectors before the first grain: header, descriptor, room. */
const OVERHEAD = 128;
const DESCRIPTOR_SECTORS = 20;
const GD_AT_END = 0xffff_ffff_ffff_ffffn;
const MARKER = { end: 0, grainTable: 1, grainDirectory: 2, footer: 3 } as const;
const ZEROES = Buffer.alloc(GRAIN);
/** Sector numbers have 32 bits. */
const LIMIT = 2 ** 32;

const compress = promisify(deflate) as (data: Uint8Array, options: { level: number }) => Promise<Buffer>;

export const encodeVmdk = (size: number, chunks: AsyncIterable<Chunk>, label: ImageLabel): Encoding => {
  // A grain is always whole, and so is the disk.
  const virtualSize = Math.ceil(size / GRAIN) * GRAIN;
  return { virtualSize, pieces: createStream(virtualSize / SECTOR, label).pieces(chunks) };
};

interface Stream {
  pieces(chunks: AsyncIterable<Chunk>): AsyncGenerator<Piece>;
}

const createStream = (capacity: number, label: ImageLabel): Stream => {
  const directory = Buffer.alloc(padded(Math.ceil((capacity * SECTOR) / TABLE) * 4));
  /** The sector the next piece begins at. */
  let sector = OVERHEAD;
  let table = Buffer.alloc(GRAINS_IN_TABLE * 4);
  let tableUsed = false;
  let tableNumber = 0;

  const placed = (piece: Buffer): Buffer => {
    sector += piece.length / SECTOR;
    if (sector < LIMIT) return piece;
    throw new HoldfastError('UNSUPPORTED_OPERATION', {
      thing: 'image',
      why: 'it would be larger than 2 TiB, and a VMDK of this kind cannot say where its parts are',
      remedy: 'export it as raw, vhd or qcow2',
    });
  };

  const finishTable = function* (): Generator<Buffer> {
    if (!tableUsed) return;
    yield placed(marker(table.length / SECTOR, MARKER.grainTable));
    directory.writeUInt32LE(sector, tableNumber * 4);
    yield placed(table);
    table = Buffer.alloc(GRAINS_IN_TABLE * 4);
    tableUsed = false;
  };

  return {
    async *pieces(chunks) {
      yield { data: header(capacity, GD_AT_END) };
      yield { data: descriptor(capacity, label) };
      yield { hole: (OVERHEAD - 1 - DESCRIPTOR_SECTORS) * SECTOR };
      for await (const chunk of chunks)
        for (const { grain, deflated } of await deflateChunk(chunk)) {
          const number = Math.floor(grain / GRAINS_IN_TABLE);
          if (number !== tableNumber) for (const data of finishTable()) yield { data };
          tableNumber = number;
          tableUsed = true;
          table.writeUInt32LE(sector, (grain % GRAINS_IN_TABLE) * 4);
          yield { data: placed(grainPiece(grain * GRAIN_SECTORS, deflated)) };
        }
      for (const data of finishTable()) yield { data };
      yield { data: placed(marker(directory.length / SECTOR, MARKER.grainDirectory)) };
      const directoryAt = BigInt(sector);
      if (directory.length > 0) yield { data: placed(directory) };
      yield { data: marker(1, MARKER.footer) };
      yield { data: header(capacity, directoryAt) };
      yield { data: marker(0, MARKER.end) };
    },
  };
};

interface Deflated {
  readonly grain: number;
  readonly deflated: Buffer;
}

/** The grains of a chunk that are not all zero, compressed side by side. Chunks begin where grains do. */
const deflateChunk = async ({ offset, data }: Chunk): Promise<Deflated[]> => {
  const grains: Promise<Deflated>[] = [];
  for (let at = 0; data !== undefined && at < data.length; at += GRAIN) {
    const part = data.subarray(at, at + GRAIN);
    if (part.equals(ZEROES.subarray(0, part.length))) continue;
    // A grain is always whole.
    const whole = part.length === GRAIN ? part : Buffer.concat([part, ZEROES], GRAIN);
    const grain = (offset + at) / GRAIN;
    grains.push(compress(whole, { level: 3 }).then((deflated) => ({ grain, deflated })));
  }
  return Promise.all(grains);
};

const padded = (length: number): number => Math.ceil(length / SECTOR) * SECTOR;

const grainPiece = (firstSector: number, deflated: Buffer): Buffer => {
  const piece = Buffer.alloc(padded(12 + deflated.length));
  piece.writeBigUInt64LE(BigInt(firstSector), 0);
  piece.writeUInt32LE(deflated.length, 8);
  deflated.copy(piece, 12);
  return piece;
};

const marker = (sectors: number, type: number): Buffer => {
  const piece = Buffer.alloc(SECTOR);
  piece.writeBigUInt64LE(BigInt(sectors), 0);
  piece.writeUInt32LE(type, 12);
  return piece;
};

const header = (capacity: number, directoryAt: bigint): Buffer => {
  const piece = Buffer.alloc(SECTOR);
  piece.write('KDMV', 0, 'latin1');
  piece.writeUInt32LE(3, 4);
  piece.writeUInt32LE(0x0003_0001, 8); // the line test below is there; grains are compressed; there are markers
  piece.writeBigUInt64LE(BigInt(capacity), 12);
  piece.writeBigUInt64LE(BigInt(GRAIN_SECTORS), 20);
  piece.writeBigUInt64LE(1n, 28);
  piece.writeBigUInt64LE(BigInt(DESCRIPTOR_SECTORS), 36);
  piece.writeUInt32LE(GRAINS_IN_TABLE, 44);
  piece.writeBigUInt64LE(0n, 48);
  piece.writeBigUInt64LE(directoryAt, 56);
  piece.writeBigUInt64LE(BigInt(OVERHEAD), 64);
  piece.write('\n \r\n', 73, 'latin1'); // tells whether something turned line ends on the way
  piece.writeUInt16LE(1, 77); // deflate
  return piece;
};

const descriptor = (capacity: number, { id }: ImageLabel): Buffer => {
  const contentId = Buffer.from(id).readUInt32BE(0) >>> 0;
  const text = `# Disk DescriptorFile
version=1
CID=${contentId.toString(16).padStart(8, '0')}
parentCID=ffffffff
createType="streamOptimized"

# Extent description
RDONLY ${capacity} SPARSE "disk.vmdk"

# The Disk Data Base
#DDB

ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "${Math.max(1, Math.min(65_535, Math.floor(capacity / (255 * 63))))}"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
ddb.virtualHWVersion = "10"
`;
  return Buffer.concat([Buffer.from(text, 'latin1'), Buffer.alloc(DESCRIPTOR_SECTORS * SECTOR)], DESCRIPTOR_SECTORS * SECTOR);
};
