// "Virtual Hard Disk Image Format Specification" 1.0, Microsoft, October 2006: a fixed disk is its bytes and a footer. Azure takes fixed disks only,
// of whole MiB without the footer.
import type { Encoding, ImageLabel, Piece } from './image-format.ts';
import { rawPieces } from './raw.ts';
import type { Chunk } from './read-chunks.ts';

const MIB = 1024 * 1024;
const SECTOR = 512;
const VHD_FOOTER = 512;
/** Where the time of the format begins: 2000-01-01T00:00:00Z. */
const EPOCH = Date.UTC(2000);

export const encodeVhd = (size: number, chunks: AsyncIterable<Chunk>, label: ImageLabel): Encoding => {
  const virtualSize = Math.max(1, Math.ceil(size / MIB)) * MIB;
  return { virtualSize, pieces: pieces(chunks, virtualSize - size, vhdFooter(virtualSize, label)) };
};

async function* pieces(chunks: AsyncIterable<Chunk>, padding: number, footer: Buffer): AsyncGenerator<Piece> {
  yield* rawPieces(chunks);
  if (padding > 0) yield { hole: padding };
  yield { data: footer };
}

/** The last 512 bytes of a fixed disk of so many bytes. */
export const vhdFooter = (size: number, { id, made }: ImageLabel): Buffer => {
  const footer = Buffer.alloc(VHD_FOOTER);
  const { cylinders, heads, sectors } = geometryOf(size / SECTOR);
  footer.write('conectix', 0, 'latin1');
  footer.writeUInt32BE(2, 8); // features: the bit that is always set
  footer.writeUInt32BE(0x0001_0000, 12);
  footer.writeBigUInt64BE(0xffff_ffff_ffff_ffffn, 16); // a fixed disk has no dynamic header
  footer.writeUInt32BE(Math.max(0, Math.floor((made - EPOCH) / 1000)) >>> 0, 24);
  // QEMU takes the size from the geometry, which can say few of them exactly, unless the creator is one it knows.
  footer.write('win ', 28, 'latin1');
  footer.writeUInt32BE(0x000a_0000, 32);
  footer.write('Wi2k', 36, 'latin1');
  footer.writeBigUInt64BE(BigInt(size), 40);
  footer.writeBigUInt64BE(BigInt(size), 48);
  footer.writeUInt16BE(cylinders, 56);
  footer.writeUInt8(heads, 58);
  footer.writeUInt8(sectors, 59);
  footer.writeUInt32BE(2, 60); // fixed
  footer.set(id.subarray(0, 16), 68);
  footer.writeUInt32BE(checksumOf(footer), 64);
  return footer;
};

const checksumOf = (footer: Uint8Array): number => ~footer.reduce((sum, byte) => sum + byte, 0) >>> 0;

/** The specification's own algorithm (appendix "CHS Calculation"). */
const geometryOf = (total: number): { cylinders: number; heads: number; sectors: number } => {
  const all = Math.min(total, 65_535 * 16 * 255);
  if (all >= 65_535 * 16 * 63) return { cylinders: Math.floor(all / (16 * 255)), heads: 16, sectors: 255 };
  let sectors = 17;
  let tracks = Math.floor(all / sectors);
  let heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
  if (tracks >= heads * 1024 || heads > 16) {
    sectors = 31;
    heads = 16;
    tracks = Math.floor(all / sectors);
  }
  if (tracks >= heads * 1024) {
    sectors = 63;
    heads = 16;
    tracks = Math.floor(all / sectors);
  }
  return { cylinders: Math.floor(tracks / heads), heads, sectors };
};
