import { isHoldfastError } from '@holdfast/errors';
import type { GuestTree } from '../tree/guest-tree.ts';
import { readText } from '../tree/guest-tree.ts';
import { type Initramfs, moduleNames, readInitramfs } from './initramfs.ts';

/** A kernel that the machine may start with. */
export interface Kernel {
  /** As `uname -r` says it; empty of one whose name does not tell. */
  readonly version: string;
  readonly image: string;
  readonly initramfs: string | undefined;
  readonly maker: Initramfs['maker'] | undefined;
  /** Drivers it has before it sees the root: its own, and those in the initramfs. Undefined where that cannot be told. */
  readonly early: ReadonlySet<string> | undefined;
  /** Drivers it has once the root is there. */
  readonly late: ReadonlySet<string>;
  /** Why `early` is not known. */
  readonly why: string | undefined;
}

const LARGEST_INITRAMFS = 512 * 1024 * 1024;

/** The kernels below /boot (or / of a partition that is one), newest first. */
export const readKernels = async (tree: GuestTree): Promise<Kernel[]> => {
  const found: Kernel[] = [];
  for (const directory of ['/boot', '/']) {
    const names = await tree.list(directory);
    for (const name of names) {
      if (!/^(vmlinuz|vmlinux|bzImage|linux)/.test(name) || /rescue|\.old$|\.hmac$/.test(name)) continue;
      const place = directory === '/' ? '/' : `${directory}/`;
      // The root has links to what is in /boot, as a rule.
      if (directory === '/' && found.length > 0) continue;
      if ((await tree.kind(`${place}${name}`)) !== 'file') continue;
      found.push(await readKernel(tree, place, name, names));
    }
  }
  return found.toSorted((a, b) => b.version.localeCompare(a.version, 'en', { numeric: true }));
};

const readKernel = async (tree: GuestTree, place: string, image: string, names: readonly string[]): Promise<Kernel> => {
  const version = /^[a-zA-Z]+-(.+)$/.exec(image)?.[1] ?? '';
  const candidates =
    version === ''
      ? ['initrd', 'initrd.img', 'initramfs', 'initramfs.img', 'initrd.gz']
      : [`initrd.img-${version}`, `initramfs-${version}.img`, `initrd-${version}`, `initrd-${version}.img`];
  const initramfs = candidates.find((name) => names.includes(name));
  const modules = `/lib/modules/${version}`;
  const builtIn = version === '' ? undefined : await readText(tree, `${modules}/modules.builtin`);
  const own = moduleNames((builtIn ?? '').split('\n'));
  const late = moduleNames(((await readText(tree, `${modules}/modules.dep`)) ?? '').split('\n').map((line) => line.split(':')[0]!));
  const told = { version, image: `${place}${image}`, initramfs: initramfs && `${place}${initramfs}`, late: new Set([...late, ...own]) };
  if (initramfs === undefined)
    return { ...told, maker: undefined, early: builtIn === undefined ? undefined : own, why: builtIn && 'it has no initramfs' };
  const content = await tree.read(`${place}${initramfs}`, LARGEST_INITRAMFS);
  if (content === undefined) return { ...told, maker: undefined, early: undefined, why: `${initramfs} could not be read` };
  try {
    const { names: inside, maker } = await readInitramfs(content);
    return { ...told, maker, early: new Set([...moduleNames(inside), ...own]), why: undefined };
  } catch (reason) {
    if (!isHoldfastError(reason)) throw reason;
    return { ...told, maker: undefined, early: undefined, why: reason.message };
  }
};
