import { execFile } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const MIB = 1 << 20;
const FILES = 48 * MIB;
const NOISE = 8 * MIB;
const ZEROES = 8 * MIB;

/** A disk image like a server's: of every 64 MiB 48 are files of this system, 8 do not compress, 8 are zeroes. */
export const writeImage = async (path: string, mebibytes: number): Promise<void> => {
  const tar = await run('sh', ['-c', `tar cf - /usr/lib /usr/share /usr/bin 2>/dev/null | head -c ${mebibytes * MIB} > '${path}'`]).then(
    () => open(path, 'r+'),
  );
  try {
    const noise = Buffer.alloc(NOISE);
    const { size } = await tar.stat();
    if (size < mebibytes * MIB) await tar.truncate(mebibytes * MIB);
    for (let at = FILES; at < mebibytes * MIB; at += FILES + NOISE + ZEROES) {
      await tar.write(randomFillSync(noise), 0, NOISE, at);
      await tar.write(Buffer.alloc(ZEROES), 0, ZEROES, at + NOISE);
    }
    await tar.truncate(mebibytes * MIB);
    await tar.sync();
  } finally {
    await tar.close();
  }
};

/** Makes the kernel forget what it holds of files: the next read comes from the disk. */
export const forget = async (...paths: readonly string[]): Promise<void> => {
  await run('sh', ['-c', `find "$@" -type f -exec dd if={} iflag=nocache count=0 status=none ';'`, 'sh', ...paths]);
};
