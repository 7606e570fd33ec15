import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createMemoryDevice } from '@holdfast/block';
import fc from 'fast-check';
import { exportImage } from './export-image.ts';
import { IMAGE_FORMATS, type ImageFormat } from './image-format.ts';
import { makeDisk, randomDisk } from './testing/random-disk.ts';
import { readImage } from './testing/read-image.ts';
import { vhdFooter } from './vhd.ts';

const MIB = 1024 * 1024;
const label = { id: Buffer.alloc(16, 7), made: Date.UTC(2026, 10, 22) };
const options = (format: ImageFormat) => ({ format, label, force: true, skipUnreadable: false, signal: new AbortController().signal });

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-image-'));
});
afterEach(() => rm(directory, { recursive: true }));

const UNIT: Readonly<Record<ImageFormat, number>> = { raw: 1, vhd: MIB, vmdk: 65_536, qcow2: 512 };

describe.each(IMAGE_FORMATS)('an image as %s', (format) => {
  it('holds every byte, behind it zeroes, and is what its digest says; once more it is the same', async () => {
    await fc.assert(
      fc.asyncProperty(randomDisk(), async (disk) => {
        const { device, expected } = await makeDisk(disk);
        const file = path.join(directory, 'image');
        const exported = await exportImage(device, file, options(format));
        const image = await readFile(file);
        const content = readImage(format, image);
        expect(content.length).toBe(Math.ceil(disk.size / UNIT[format]) * UNIT[format]);
        expect(content.subarray(0, disk.size).equals(expected)).toBe(true);
        expect(content.subarray(disk.size).every((byte) => byte === 0)).toBe(true);
        expect(exported).toMatchObject({
          size: image.length,
          virtualSize: content.length,
          sha256: createHash('sha256').update(image).digest('hex'),
        });
        expect((await exportImage(device, file, options(format))).sha256).toBe(exported.sha256);
      }),
      { numRuns: 8 },
    );
  });

  it('of a large and nearly empty disk takes little room', async () => {
    const device = createMemoryDevice(4 * 1024 * MIB);
    await device.write(3 * 1024 * MIB, Buffer.alloc(4096, 1));
    const file = path.join(directory, 'image');
    // The digest is of all bytes, so raw and vhd are as quick as SHA-256 is: a smaller disk for them.
    const small = createMemoryDevice(64 * MIB);
    await small.write(50 * MIB, Buffer.alloc(4096, 1));
    const { written } = await exportImage(format === 'raw' || format === 'vhd' ? small : device, file, options(format));
    expect(written).toBeLessThan(3 * MIB);
    expect((await stat(file)).blocks * 512).toBeLessThan(3 * MIB);
  });
});

describe('the second readers', () => {
  it.each(['vhd', 'vmdk', 'qcow2'] as const)('notice a byte of a %s that is not as written', async (format) => {
    const { device, expected } = await makeDisk({ size: MIB, writes: [{ offset: 70_000, length: 100_000, fill: 256 }] });
    const file = path.join(directory, 'image');
    await exportImage(device, file, options(format));
    const image = await readFile(file);
    const judge = (): boolean => {
      try {
        return readImage(format, image).equals(expected);
      } catch {
        return false;
      }
    };
    expect(judge()).toBe(true);
    const at = format === 'vhd' ? image.length - 512 + 30 : image.length - 1024 + 58;
    image[at]! ^= 1;
    expect(judge()).toBe(false);
  });
});

describe('a VHD footer', () => {
  it.each([
    [MIB, 30, 4, 17],
    [500 * MIB, 1015, 16, 63],
    [127 * 1024 * MIB, 65_278, 16, 255],
    [4093 * 1024 * MIB, 65_535, 16, 255],
  ])('of %d bytes has the geometry the specification demands', (size, cylinders, heads, sectors) => {
    const footer = vhdFooter(size, label);
    expect([footer.readUInt16BE(56), footer[58], footer[59]]).toEqual([cylinders, heads, sectors]);
    expect(footer.readBigUInt64BE(48)).toBe(BigInt(size));
    expect(footer.readUInt32BE(24)).toBe((Date.UTC(2026, 10, 22) - Date.UTC(2000)) / 1000);
  });
});
