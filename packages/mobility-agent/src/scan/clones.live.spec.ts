import { closeSync, ftruncateSync, mkdtempSync, openSync, readdirSync, rmSync, utimesSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { mountDisk } from '../hold/testing/mounted-disk.ts';
import { createFileSource, type ScanSource } from './scan-source.ts';
import { ScanRig, TestImage } from './testing/scan-rig.ts';

const MIB = 1024 * 1024;
const SIZE = 4 * MIB;
const BLOCK = 4096;
/** The smallest XFS. */
const FILE_SYSTEM = 320 * MIB;

class ImageFile extends TestImage {
  readonly fd: number;
  readonly #path: string;

  constructor(path: string) {
    super(SIZE);
    this.#path = path;
    this.fd = openSync(path, 'w+');
    ftruncateSync(this.fd, SIZE);
  }

  override source(): ScanSource {
    return createFileSource(this.#path);
  }
}

/** Writes sequence numbers into blocks of the image, one after the other, without ever waiting for anybody. */
const startWriter = (image: ImageFile): (() => void) => {
  const block = Buffer.alloc(BLOCK);
  let sequence = 0;
  const write = (): void => {
    for (let count = 0; count < 50; count += 1) {
      sequence += 1;
      block.writeUInt32LE(sequence, 0);
      writeSync(image.fd, block, 0, BLOCK, placeOf(sequence) * BLOCK);
    }
  };
  write();
  const timer = setInterval(write, 1);
  return () => clearInterval(timer);
};

const placeOf = (sequence: number): number => (Math.imul(sequence, 2_654_435_761) >>> 8) % (SIZE / BLOCK);

/** The number of writes after which the image was so; undefined when there is none. */
const writesIn = (image: Buffer): number | undefined => {
  const found = Array.from({ length: SIZE / BLOCK }, (_, block) => image.readUInt32LE(block * BLOCK));
  const newest = Math.max(...found);
  const expected = found.map(() => 0);
  for (let sequence = 1; sequence <= newest; sequence += 1) expected[placeOf(sequence)] = sequence;
  return found.every((one, block) => one === expected[block]) ? newest : undefined;
};

describe.unless(lacks('root', 'losetup', 'mkfs.xfs'), 'image files that are written without a rest', () => {
  it('have points out of clones where their file system makes them', async () => {
    const xfs = mountDisk('xfs', FILE_SYSTEM);
    const image = new ImageFile(join(xfs.mountPoint, 'image'));
    const rig = new ScanRig([image]);
    // What a process left that was killed while it made a clone an hour ago, and what another one makes now.
    const [left, others] = ['a', 'b'].map((letter) => `.image.holdfast-${letter.repeat(32)}`) as [string, string];
    for (const name of [left, others]) writeFileSync(join(xfs.mountPoint, name), '');
    const hourAgo = Date.now() / 1000 - 3600;
    utimesSync(join(xfs.mountPoint, left), hourAgo, hourAgo);
    const stop = startWriter(image);
    try {
      for (let point = 0; point < 3; point += 1) {
        const result = await rig.scan();
        await rig.drain();
        const [received] = rig.received(result);
        expect(writesIn(received!)).toBeGreaterThan(0);
        // The oracle's control: one block of another time.
        received!.writeUInt32LE(1, placeOf(2) * BLOCK);
        expect(writesIn(received!)).toBeUndefined();
      }
      expect(readdirSync(xfs.mountPoint)).toEqual([others, 'image']);
    } finally {
      stop();
      rig.dispose();
      closeSync(image.fd);
      await xfs.close();
    }
  });

  it('have none where it does not', async () => {
    const directory = mkdtempSync('/dev/shm/holdfast-clones-');
    const image = new ImageFile(join(directory, 'image'));
    const rig = new ScanRig([image]);
    const stop = startWriter(image);
    try {
      await expect(rig.scan()).rejects.toThrow(/CAPTURE_NOT_CONVERGED/);
    } finally {
      stop();
      rig.dispose();
      closeSync(image.fd);
      rmSync(directory, { recursive: true });
    }
  });
});
