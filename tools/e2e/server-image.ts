import path from 'node:path';
import { runStep } from '../guest/build-step.ts';
import { fromCache, keyOfParts, removeTree, WORKSPACE } from '../guest/image-cache.ts';
import { DEBIAN_12 } from '../guest/index.ts';

/** How a server starts, and where its root lies. */
export type Layout = 'bios-ext4' | 'uefi-xfs' | 'lvm';

export const LAYOUTS: readonly Layout[] = ['bios-ext4', 'uefi-xfs', 'lvm'];

/** Root's, at the login of the console. */
export const SERVER_PASSWORD = 'holdfast';

/** Programs that building takes, for `lacks()` and the cache. */
const NEEDS = ['mmdebstrap', 'mkfs.ext4', 'mkfs.xfs', 'mkfs.vfat', 'mcopy', 'lvm', 'sfdisk', 'losetup', 'chroot', 'unshare'] as const;

/** A Debian 12 server as its installer leaves it, with the kernel of Debian's own images for clouds, and PostgreSQL. */
const RECIPE = {
  suite: DEBIAN_12.suite,
  packages: [
    ...['linux-image-cloud-amd64', 'initramfs-tools', 'zstd', 'kmod', 'systemd-sysv', 'udev', 'dbus', 'procps', 'util-linux'],
    ...['e2fsprogs', 'xfsprogs', 'lvm2', 'dosfstools', 'grub2-common', 'grub-pc-bin', 'grub-efi-amd64-signed'],
    ...['ifupdown', 'isc-dhcp-client', 'iproute2', 'curl', 'sudo', 'postgresql'],
  ],
  excluded: [
    ...DEBIAN_12.excluded,
    // What PostgreSQL compiles queries with is larger than all the rest, and is switched off.
    ...['/usr/lib/x86_64-linux-gnu/libLLVM-*', '/usr/lib/postgresql/*/lib/llvmjit*', '/usr/lib/postgresql/*/lib/bitcode/*'],
  ],
  maskedUnits: [
    ...['apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'e2scrub_all.timer', 'e2scrub_reap.service', 'fstrim.timer'],
    ...['systemd-pstore.service', 'getty@tty1.service', 'systemd-update-utmp-runlevel.service'],
  ],
} as const;

const TREE_PARTS = path.join(import.meta.dirname, 'image/tree');
const LAYOUT_PARTS = path.join(import.meta.dirname, 'image/layout');

export interface ServerImageOptions {
  readonly print: (line: string) => void;
  /** Stops a build. */
  readonly signal?: AbortSignal;
}

const treeOf = async (cache: string, key: string, { print, signal }: ServerImageOptions): Promise<string> => {
  const build = async (directory: string): Promise<void> => {
    const tree = path.join(directory, 'tree');
    const excluded = RECIPE.excluded.map((pattern) => `--dpkgopt=path-exclude=${pattern}`);
    const include = `--include=${RECIPE.packages.join(',')}`;
    const manner = ['--mode=root', '--variant=minbase', '--format=directory', include, ...excluded];
    await runStep('mmdebstrap', [...manner, RECIPE.suite, tree], { signal });
    const env = { PASSWORD: SERVER_PASSWORD, MASKED: RECIPE.maskedUnits.join(' ') };
    await runStep(path.join(TREE_PARTS, 'tree.sh'), [tree], { env, signal });
    await runStep('tar', ['-C', tree, '-cf', path.join(directory, 'tree.tar'), '--numeric-owner', '--xattrs', '.'], { signal });
    await removeTree(tree);
  };
  return path.join(await fromCache({ cache, name: 'server-tree', key, needs: NEEDS, print, build }), 'tree.tar');
};

/** The disk of a server, raw, 3 GiB, out of the cache or built there first (two to three minutes, the next layout seconds), as root. It is only read. */
export const createServerImage = async (layout: Layout, options: ServerImageOptions): Promise<string> => {
  const cache = path.join(WORKSPACE, '.guest');
  const treeKey = await keyOfParts(RECIPE, TREE_PARTS);
  const key = await keyOfParts({ layout, treeKey }, LAYOUT_PARTS);
  const build = async (directory: string): Promise<void> => {
    const tree = await treeOf(cache, treeKey, options);
    await runStep(path.join(LAYOUT_PARTS, 'layout.sh'), [layout, tree, path.join(directory, 'disk.raw')], { signal: options.signal });
  };
  const directory = await fromCache({ cache, name: `server-${layout}`, key, needs: NEEDS, print: options.print, build });
  return path.join(directory, 'disk.raw');
};
