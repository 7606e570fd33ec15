import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

/** A small server that says on its serial console how its start went: for what has to be seen starting, again and again. */
export interface MiniImage {
  /** 64 MiB, raw; shared by all, so it is only read. */
  readonly path: string;
  readonly size: number;
}

export interface MiniImageOptions {
  /**
   * `cloud` starts faster and drives virtio, NVMe, and what VMware and Hyper-V offer; `amd64` drives SATA and Intel's network cards too.
   */
  readonly kernel?: 'cloud' | 'amd64';
  /** Directory of the cache; `.guest` in the workspace unless told otherwise. */
  readonly cache?: string;
}

/** Root's, at the login of the console. */
export const MINI_PASSWORD = 'holdfast';
/** What it prints when it runs: `HOLDFAST-BOOT-OK boots=1 payload=good firmware=bios disk=vda2 up=4.53`. */
export const MINI_MARKER =
  /HOLDFAST-BOOT-OK boots=(?<boots>\d+) payload=(?<payload>\w+) firmware=(?<firmware>\w+) disk=(?<disk>\w+) up=(?<up>[\d.]+)/;
/** What building it needs, for `lacks()`. */
export const MINI_TOOLS = ['apt-get', 'dpkg-deb', 'depmod', 'mformat', 'syslinux', '/usr/lib/SYSLINUX.EFI', 'mkfs.ext4'] as const;

const SIZE = 64 * 1024 * 1024;
const WORKSPACE = path.resolve(import.meta.dirname, '../..');
const COMMON = 'virtio_pci virtio_blk virtio_scsi virtio_net sd_mod nvme vmw_pvscsi vmxnet3 ext4 evdev button crc32c_generic';
const MODULES = { cloud: COMMON, amd64: `${COMMON} ahci e1000 e1000e` } as const;
const META = { cloud: 'linux-image-cloud-amd64', amd64: 'linux-image-amd64' } as const;

const run = promisify(execFile);

/** Names the image after everything that goes into it from here; a newer Debian package alone makes no new image. */
const keyOf = async (kernel: 'cloud' | 'amd64'): Promise<string> => {
  const hash = createHash('sha256').update(MODULES[kernel]);
  const entries = await readdir(import.meta.dirname, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.ts'))
    .map((entry) => path.join(entry.parentPath, entry.name));
  for (const file of files.sort()) hash.update(path.relative(import.meta.dirname, file)).update(await readFile(file));
  return `mini-${kernel}-${hash.digest('hex').slice(0, 16)}`;
};

/** The package that the name without a version stands for. */
const kernelPackage = async (meta: string): Promise<string> => {
  const { stdout } = await run('apt-cache', ['depends', meta]);
  const found = /Depends: (linux-image-\d\S*)/.exec(stdout)?.[1];
  if (found === undefined) throw new Error(`apt knows no kernel behind ${meta}: run apt-get update`);
  return found;
};

/** The image out of the cache, or built there first: some seconds, with packages of the Debian archive; needs no root. */
export const createMiniImage = async ({
  kernel = 'cloud',
  cache = path.join(WORKSPACE, '.guest'),
}: MiniImageOptions = {}): Promise<MiniImage> => {
  const key = await keyOf(kernel);
  const image = path.join(cache, `${key}.raw`);
  if (!existsSync(image)) {
    await mkdir(cache, { recursive: true });
    const work = await mkdtemp(path.join(cache, `${key}.`));
    try {
      await run('apt-get', ['download', '-q', await kernelPackage(META[kernel]), 'busybox-static'], { cwd: work });
      const tree = path.join(work, 'tree');
      for (const name of await readdir(work)) await run('dpkg-deb', ['--extract', path.join(work, name), tree]);
      const env = { ...process.env, MODULES: MODULES[kernel], PASSWORD: MINI_PASSWORD };
      const made = path.join(work, 'image.raw');
      await run('sh', [path.join(import.meta.dirname, 'build.sh'), tree, made], { env });
      // Whoever is first wins; both are good.
      await rename(made, image);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
    for (const name of await readdir(cache))
      if (name.startsWith(`mini-${kernel}-`) && name.endsWith('.raw') && name !== `${key}.raw`) await rm(path.join(cache, name));
  }
  return { path: image, size: SIZE };
};
