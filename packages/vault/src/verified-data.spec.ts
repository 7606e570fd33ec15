import { createFrame, DIGEST_SIZE, digestBlocks } from '@holdfast/block';
import { VerifiedData } from './verified-data.ts';

const fill = (length: number, byte: number): Buffer => Buffer.alloc(length, byte);

describe('the data of a frame', () => {
  const extents = [
    { offset: 8192, length: 8192, kind: 'data' },
    { offset: 65_536, length: 4096, kind: 'zero' },
    { offset: 40_960, length: 1000, kind: 'data' },
    { offset: 0, length: 4096, kind: 'data' },
  ] as const;
  const data = Buffer.concat([fill(4096, 1), fill(4096, 2), fill(1000, 3), fill(4096, 4)]);

  it('is given out, with its digests and its places on the disk', async () => {
    const frame = await createFrame(extents, data);
    const verified = new VerifiedData(frame, data);
    expect(verified.slice(4000, 9500)).toEqual(new Uint8Array(data.subarray(4000, 9500)));
    expect([0, 5000, 8192, 9191, 9192].map((position) => verified.offsetAt(position))).toEqual([8192, 13_192, 40_960, 41_959, 0]);
    expect(verified.blocks(8300, 8301)).toEqual({ start: 8192, data: new Uint8Array(fill(1000, 3)), digests: digestBlocks(fill(1000, 3)) });
    expect(verified.blocks(4095, 4097)).toMatchObject({ start: 0, data: { length: 8192 }, digests: { length: 2 * DIGEST_SIZE } });
    expect(verified.blocks(4096, 8192)).toEqual({ start: 4096, data: new Uint8Array(fill(4096, 2)), digests: digestBlocks(fill(4096, 2)) });
    expect(verified.length).toBe(data.length);
  });

  it('is refused where a block fails its digest, and only there', async () => {
    const frame = await createFrame(extents, data);
    const broken = Buffer.from(data);
    broken[9000]! ^= 1;
    const verified = new VerifiedData(frame, broken);
    expect(verified.slice(0, 8192)).toHaveLength(8192);
    expect(verified.slice(9192, broken.length)).toHaveLength(4096);
    for (const [from, to] of [
      [8192, 8193],
      [0, broken.length],
      [9191, 9193],
    ] as const)
      expect(() => verified.slice(from, to)).toThrow(/block at byte 40960 of the disk fails its digest/);
  });
});
