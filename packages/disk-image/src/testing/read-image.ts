// Second readers, written from the specifications and not from our writers: what an image says its disk holds. QEMU's are tried in the live spec.
import { inflateSync } from 'node:zlib';
import type { ImageFormat } from '../image-format.ts';

const SECTOR = 512;

/** The disk within an image; throws where the image breaks its format. */
export const readImage = (format: ImageFormat, image: Buffer): Buffer => READERS[format](image);

const demand = (what: boolean, says: string): void => {
  if (!what) throw new Error(says);
};

const readVhd = (image: Buffer): Buffer => {
  const footer = Buffer.from(image.subarray(-512));
  const size = Number(footer.readBigUInt64BE(48));
  const checksum = footer.readUInt32BE(64);
  footer.fill(0, 64, 68);
  let sum = 0;
  for (const byte of footer) sum += byte;
  demand(footer.toString('latin1', 0, 8) === 'conectix', 'no footer');
  demand(checksum === ~sum >>> 0, 'wrong checksum');
  demand(footer.readUInt32BE(60) === 2, 'not fixed');
  demand(size === image.length - 512 && size % (1024 * 1024) === 0, 'wrong size');
  return image.subarray(0, size);
};

const readVmdk = (image: Buffer): Buffer => {
  demand(image.length % SECTOR === 0, 'not of whole sectors');
  const footer = image.subarray(-2 * SECTOR, -SECTOR);
  for (const header of [image, footer]) demand(header.toString('latin1', 0, 4) === 'KDMV', 'no header');
  demand(image.readBigUInt64LE(56) === 2n ** 64n - 1n, 'the directory is not at the end');
  const size = Number(/^RDONLY (\d+) SPARSE/m.exec(image.toString('latin1', SECTOR, 21 * SECTOR))![1]) * SECTOR;
  const disk = Buffer.alloc(Math.ceil(size / 65_536) * 65_536);
  const directory = Number(footer.readBigUInt64LE(56)) * SECTOR;
  for (let table = 0; table * 32 * 1024 * 1024 < disk.length; table += 1) {
    const tableAt = image.readUInt32LE(directory + table * 4) * SECTOR;
    for (let entry = 0; tableAt !== 0 && entry < 512; entry += 1) {
      const grain = image.readUInt32LE(tableAt + entry * 4) * SECTOR;
      if (grain === 0) continue;
      const at = (table * 512 + entry) * 65_536;
      demand(Number(image.readBigUInt64LE(grain)) * SECTOR === at, 'a grain is not where its table says');
      const data = inflateSync(image.subarray(grain + 12, grain + 12 + image.readUInt32LE(grain + 8)));
      demand(data.length === 65_536, 'a grain is not whole');
      data.copy(disk, at);
    }
  }
  return disk.subarray(0, size);
};

const readQcow2 = (image: Buffer): Buffer => {
  demand(image.toString('latin1', 0, 4) === 'QFI\xfb' && image.readUInt32BE(4) === 3, 'no header');
  const cluster = 2 ** image.readUInt32BE(20);
  const size = Number(image.readBigUInt64BE(24));
  const counts = new Map<number, number>();
  const seen = (offset: number): number => {
    counts.set(offset / cluster, (counts.get(offset / cluster) ?? 0) + 1);
    return offset;
  };
  const pointer = (entry: bigint): number => Number(entry & 0x00ff_ffff_ffff_fe00n);
  const disk = Buffer.alloc(size);
  seen(0);
  const l1 = Number(image.readBigUInt64BE(40));
  for (let at = 0; at < Math.max(1, Math.ceil((image.readUInt32BE(36) * 8) / cluster)); at += 1) seen(l1 + at * cluster);
  for (let first = 0; first < image.readUInt32BE(36); first += 1) {
    const l2 = pointer(image.readBigUInt64BE(l1 + first * 8));
    if (l2 === 0) continue;
    seen(l2);
    for (let second = 0; second < cluster / 8; second += 1) {
      const data = pointer(image.readBigUInt64BE(l2 + second * 8));
      if (data !== 0) image.copy(disk, (first * (cluster / 8) + second) * cluster, seen(data), data + cluster);
    }
  }
  const countTable = Number(image.readBigUInt64BE(48));
  for (let at = 0; at < image.readUInt32BE(56); at += 1) seen(countTable + at * cluster);
  for (let at = 0; at < (image.readUInt32BE(56) * cluster) / 8; at += 1) {
    const block = Number(image.readBigUInt64BE(countTable + at * 8));
    if (block !== 0) seen(block);
  }
  demand(image.length % cluster === 0, 'not of whole clusters');
  for (let at = 0; at * cluster < image.length; at += 1) {
    const block = Number(image.readBigUInt64BE(countTable + Math.floor(at / (cluster / 2)) * 8));
    demand(image.readUInt16BE(block + (at % (cluster / 2)) * 2) === (counts.get(at) ?? 0), `cluster ${at} is counted wrongly`);
  }
  return disk;
};

const READERS: Readonly<Record<ImageFormat, (image: Buffer) => Buffer>> = {
  raw: (image) => image,
  vhd: readVhd,
  vmdk: readVmdk,
  qcow2: readQcow2,
};
