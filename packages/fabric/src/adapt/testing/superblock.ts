import { SUPERBLOCK_BYTES } from '../md/superblock.ts';

const PLACE = 4096;
const DEVICES = 128;

/** Version 1.2 of a member of a mirror, as mdadm makes one; tools/recovery/md-root.long.spec.ts reads what it made itself. */
export const madeSuperblock = ({ array = 0xab, device = 1, sectors = 2000n } = {}): Buffer => {
  const bytes = Buffer.alloc(SUPERBLOCK_BYTES);
  bytes.writeUInt32LE(0xa92b4efc, 0);
  bytes.writeUInt32LE(1, 4);
  bytes.writeUInt32LE(1, 8);
  bytes.fill(array, 16, 32);
  bytes.write('db1:0', 32);
  bytes.writeInt32LE(1, 72);
  bytes.writeBigUInt64LE(sectors, 80);
  bytes.writeUInt32LE(2, 92);
  bytes.writeBigUInt64LE(2048n, 128);
  bytes.writeBigUInt64LE(BigInt(PLACE / 512), 144);
  bytes.writeUInt32LE(device, 160);
  bytes.writeBigUInt64LE(17n, 200);
  bytes.writeUInt32LE(DEVICES, 220);
  for (let device = 0; device < DEVICES; device += 1) bytes.writeUInt16LE(device < 2 ? device : 0xffff, 256 + 2 * device);
  let sum = 0n;
  for (let at = 0; at < 256 + 2 * DEVICES; at += 4) sum += BigInt(bytes.readUInt32LE(at));
  bytes.writeUInt32LE(Number(((sum & 0xffff_ffffn) + (sum >> 32n)) & 0xffff_ffffn), 216);
  return bytes;
};
