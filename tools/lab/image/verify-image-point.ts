import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { BlockDevice } from '@holdfast/block';
import { createNbdServer } from '@holdfast/nbd';
import { compareWithDigests } from '../user-disk/disk-digests.ts';
import { compareImages } from '../verify/compare-images.ts';
import { exportRaw } from '../verify/raw-export.ts';
import { judge, type Verdict } from '../verify/verdict.ts';

export interface ImagePointOptions {
  open(): Promise<BlockDevice>;
  /** What the image held when the point was cut. */
  readonly digests: Uint8Array;
  /** For the export; must not exist and is gone afterwards. */
  readonly directory: string;
  /** Whether `qemu-img` is there to compare NBD with the export. */
  readonly qemu: boolean;
  readonly signal: AbortSignal;
}

const compareServed = async (device: BlockDevice, { directory, signal }: ImagePointOptions): Promise<Verdict> => {
  const raw = path.join(directory, 'image.raw');
  await exportRaw(device, raw, signal);
  const server = await createNbdServer({ exports: new Map([['image', { device }]]), listen: { host: '127.0.0.1', port: 0 } });
  try {
    return await compareImages([{ name: 'image', served: server.uri('image'), raw }], signal);
  } finally {
    await server.close();
  }
};

/** Compares every block of the recovered image with what it held, and where qemu-img is there an NBD export with a raw one. */
export const verifyImagePoint = async (options: ImagePointOptions): Promise<Verdict[]> => {
  mkdirSync(options.directory);
  const device = await options.open();
  try {
    const verdicts = [await judge('image', () => compareWithDigests('image', device, options.digests, options.signal))];
    if (options.qemu) verdicts.push(await judge('NBD = raw', () => compareServed(device, options)));
    return verdicts;
  } finally {
    await device.close();
    rmSync(options.directory, { recursive: true, force: true });
  }
};
