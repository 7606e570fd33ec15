import fc from 'fast-check';
import { parseSuperblock, SUPERBLOCK_BYTES, superblockPlaces } from './superblock.ts';

const PLACE = 4096;
const DEVICES = 128;

/** As mdadm makes one; tools/recovery/md-root.long.spec.ts reads what it made itself. */
const made = (): Buffer => {
  const bytes = Buffer.alloc(SUPERBLOCK_BYTES);
  bytes.writeUInt32LE(0xa92b4efc, 0);
  bytes.writeUInt32LE(1, 4);
  bytes.writeUInt32LE(1, 8);
  bytes.fill(0xab, 16, 32);
  bytes.write('db1:0', 32);
  bytes.writeInt32LE(1, 72);
  bytes.writeBigUInt64LE(2000n, 80);
  bytes.writeUInt32LE(2, 92);
  bytes.writeBigUInt64LE(2048n, 128);
  bytes.writeBigUInt64LE(BigInt(PLACE / 512), 144);
  bytes.writeUInt32LE(1, 160);
  bytes.writeBigUInt64LE(17n, 200);
  bytes.writeUInt32LE(DEVICES, 220);
  for (let device = 0; device < DEVICES; device += 1) bytes.writeUInt16LE(device < 2 ? device : 0xffff, 256 + 2 * device);
  let sum = 0n;
  for (let at = 0; at < 256 + 2 * DEVICES; at += 4) sum += BigInt(bytes.readUInt32LE(at));
  bytes.writeUInt32LE(Number(((sum & 0xffff_ffffn) + (sum >> 32n)) & 0xffff_ffffn), 216);
  return bytes;
};

describe('a superblock of md', () => {
  it('says where data is and what it belongs to', () => {
    expect(parseSuperblock(made(), PLACE)).toMatchObject({
      ...{ array: 'ab'.repeat(16), name: 'db1:0', level: 1, members: 2, size: 1_024_000, dataOffset: 1_048_576 },
      ...{ device: 1, events: 17n, features: 0 },
    });
    expect(parseSuperblock(made(), PLACE)!.roles.slice(0, 3)).toEqual([0, 1, 0xffff]);
  });

  it('is none where it does not belong, and none with any bit flipped', () => {
    expect(parseSuperblock(made(), 0)).toBeUndefined();
    expect(parseSuperblock(Buffer.alloc(SUPERBLOCK_BYTES), 0)).toBeUndefined();
    fc.assert(
      fc.property(fc.nat({ max: (256 + 2 * DEVICES) * 8 - 1 }), (bit) => {
        const bytes = made();
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        let found: unknown;
        try {
          found = parseSuperblock(bytes, PLACE);
        } catch {
          // It tells a size that no disk has.
        }
        expect(found).toBeUndefined();
      }),
    );
  });

  it('may be in three places', () => {
    expect(superblockPlaces(100 * 2 ** 20 + 1)).toEqual([0, 4096, 100 * 2 ** 20 - 8192]);
  });
});
