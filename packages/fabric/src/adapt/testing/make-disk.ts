// Disk images with partitions, for live specs: no distribution, a few files.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MIB = 1024 * 1024;

/** Fills a mounted root. */
export type Fill = (root: string) => Promise<void>;

/** A disk with a partition for UEFI firmware (40 MiB, FAT) and one for everything else; tells the id of the file system there. */
export const makeDisk = async (
  file: string,
  type: 'ext4' | 'btrfs',
  fill: Fill,
  espFiles: Readonly<Record<string, string>>,
): Promise<string> => {
  await writeFile(file, '');
  await truncate(file, 400 * MIB);
  const table = 'label: gpt\nsize=40MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\ntype=0FC63DAF-8483-4772-8E79-3D69D8477DE4\n';
  const child = run('sfdisk', ['--quiet', file]);
  child.child.stdin?.end(table);
  await child;
  const scratch = await mkdtemp(path.join(tmpdir(), 'holdfast-fill-'));
  const parts: string[] = [];
  try {
    // By hand: a kernel may make no nodes for partitions.
    for (const [offset, size] of [
      [1, 40],
      [41, 358],
    ] as const) {
      const part = await run('losetup', ['--find', '--show', '--offset', String(offset * MIB), '--sizelimit', String(size * MIB), file]);
      parts.push(part.stdout.trim());
    }
    await run('mkfs.vfat', ['-F', '32', parts[0]!]);
    for (const [name, content] of Object.entries(espFiles)) {
      const names = name.split('/').filter((one) => one !== '');
      for (let depth = 1; depth < names.length; depth += 1)
        await run('mmd', ['-D', 's', '-i', parts[0]!, `::${names.slice(0, depth).join('/')}`]).catch(() => undefined);
      await writeFile(path.join(scratch, 'content'), content);
      await run('mcopy', ['-o', '-i', parts[0]!, path.join(scratch, 'content'), `::${names.join('/')}`]);
    }
    await run(`mkfs.${type}`, ['-q', parts[1]!]);
    const at = path.join(scratch, 'mnt');
    await mkdir(at);
    await run('mount', ['-t', type, parts[1]!, at]);
    try {
      await fill(at);
    } finally {
      await run('umount', [at]);
    }
    return (await run('blkid', ['--probe', '--output', 'value', '--match-tag', 'UUID', parts[1]!])).stdout.trim();
  } finally {
    for (const part of parts) await run('losetup', ['--detach', part]);
    await rm(scratch, { recursive: true });
  }
};
