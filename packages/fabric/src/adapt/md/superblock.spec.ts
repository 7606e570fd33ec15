import fc from 'fast-check';
import { madeSuperblock } from '../testing/superblock.ts';
import { parseSuperblock, SUPERBLOCK_BYTES, superblockPlaces } from './superblock.ts';

const made = madeSuperblock;
const PLACE = 4096;
const DEVICES = 128;

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
