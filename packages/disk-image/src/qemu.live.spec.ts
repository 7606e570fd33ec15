// QEMU's own reader and checker on images of random disks.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { exportImage } from './export-image.ts';
import type { ImageFormat } from './image-format.ts';
import { makeDisk, randomDisk } from './testing/random-disk.ts';

const run = promisify(execFile);
const DRIVER: Readonly<Record<ImageFormat, string>> = { raw: 'raw', vhd: 'vpc', vmdk: 'vmdk', qcow2: 'qcow2' };

describe.unless(lacks('qemu-img'), 'QEMU', () => {
  let directory: string;
  const at = (name: string): string => path.join(directory, name);
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-image-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const compare = (format: ImageFormat): Promise<boolean> =>
    run('qemu-img', ['compare', '-f', 'raw', '-F', DRIVER[format], at('disk.raw'), at('image')]).then(
      () => true,
      () => false,
    );

  it.each(['vhd', 'vmdk', 'qcow2'] as const)('reads the same out of a %s, and finds no fault', async (format) => {
    await fc.assert(
      fc.asyncProperty(randomDisk(), async (disk) => {
        const { device, expected } = await makeDisk(disk);
        // QEMU counts in sectors.
        await writeFile(at('disk.raw'), Buffer.concat([expected, Buffer.alloc(-disk.size & 511)]));
        const label = { id: Buffer.alloc(16, 7), made: Date.UTC(2026, 10, 22) };
        const made = await exportImage(device, at('image'), {
          format,
          label,
          force: true,
          skipUnreadable: false,
          signal: new AbortController().signal,
        });
        const info = JSON.parse((await run('qemu-img', ['info', '-f', DRIVER[format], '--output=json', at('image')])).stdout) as object;
        expect(info).toMatchObject({ 'virtual-size': made.virtualSize });
        // There is no check of this kind for a VHD; its footer is tried in encode-image.spec.ts.
        if (format !== 'vhd') await run('qemu-img', ['check', '-f', DRIVER[format], at('image')]);
        expect(await compare(format)).toBe(true);
        expected[0]! ^= 1;
        await writeFile(at('disk.raw'), expected);
        expect(await compare(format)).toBe(false);
      }),
      { numRuns: 6 },
    );
  });
});
