import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createMemoryDevice, digestBlocks } from '@holdfast/block';
import fc from 'fast-check';
import { compareWithDigests, inChunks, readDiskDigests } from './disk-digests.ts';

const BLOCK = 4096;

describe('digests of a disk', () => {
  it('are taken over chunks that neither lose nor move a byte, however the bytes arrive', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 50 })), fc.integer({ min: 1, max: 30 }), async (parts, size) => {
        const stream = (async function* () {
          for (const part of parts) yield Buffer.from(part);
        })();
        const chunks: Buffer[] = [];
        for await (const chunk of inChunks(stream, size)) chunks.push(chunk);
        expect(Buffer.concat(chunks)).toEqual(Buffer.concat(parts));
        expect(chunks.slice(0, -1).every((chunk) => chunk.length === size)).toBe(true);
        expect(chunks.every((chunk) => chunk.length > 0 && chunk.length <= size)).toBe(true);
      }),
    );
  });

  it('equal those of the recovered disk, or name the first blocks that differ', async () => {
    const size = 9 << 20;
    const device = createMemoryDevice(size);
    const content = Buffer.alloc(size);
    for (let at = 0; at < size; at += BLOCK) content.writeUInt32LE(at / BLOCK, at + 17);
    await device.write(0, content);
    const digests = digestBlocks(content);
    expect(await compareWithDigests('disk', device, digests)).toEqual({
      check: 'disk',
      good: true,
      says: `${size / BLOCK} blocks equal`,
      faults: [],
    });
    for (const at of [0, 5 << 20, size - BLOCK]) await device.write(at + 100, Buffer.from('x'));
    expect((await compareWithDigests('disk', device, digests)).faults).toEqual(
      [0, 5 << 20, size - BLOCK].map((at) => `disk: the block at byte ${at} differs from the disk`),
    );
    expect((await compareWithDigests('disk', device, digests.subarray(16))).good).toBe(false);
    await device.close();
  });

  it.unless(lacks('dd'), 'are read by dd past the cache, its failures with its words', async () => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'lab-digests-'));
    try {
      const file = path.join(directory, 'disk');
      const content = Buffer.alloc(3 * BLOCK + 512, 'content');
      writeFileSync(file, content);
      const progress: number[] = [];
      expect(Buffer.compare(await readDiskDigests(file, (bytes) => progress.push(bytes)), digestBlocks(content))).toBe(0);
      expect(progress.at(-1)).toBe(content.length);
      await expect(readDiskDigests(path.join(directory, 'missing'), () => undefined)).rejects.toMatchObject({
        code: 'IO_FAILED',
        why: expect.stringContaining('No such file'),
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
