import type { GuestTree } from '../tree/guest-tree.ts';
import { filesIn, readText, wordsOf } from '../tree/guest-tree.ts';

/** A file of a boot loader, or of what makes such files, that tells a kernel its arguments. */
export interface BootConfig {
  readonly path: string;
  readonly text: string;
  /** True of what is read when the machine starts; false of what the next update makes that out of. */
  readonly effective: boolean;
}

const PLACES = [
  ...['/boot/grub/grub.cfg', '/boot/grub2/grub.cfg', '/boot/grub/menu.lst', '/boot/grub/grub.conf'],
  ...['/boot/extlinux/extlinux.conf', '/boot/extlinux.conf', '/extlinux/extlinux.conf', '/extlinux.conf'],
  ...['/boot/syslinux/syslinux.cfg', '/boot/syslinux.cfg', '/syslinux/syslinux.cfg', '/syslinux.cfg'],
  ...['/boot/grub2/grubenv', '/boot/grub/grubenv'],
];
const SOURCES = ['/etc/default/grub', '/etc/kernel/cmdline'];

/** The files there are. */
export const readBootConfigs = async (tree: GuestTree): Promise<BootConfig[]> => {
  const entries = await filesIn(tree, '/boot/loader/entries', /\.conf$/);
  const found: BootConfig[] = [];
  for (const [path, effective] of [
    ...[...PLACES, ...entries].map((one) => [one, true] as const),
    ...SOURCES.map((one) => [one, false] as const),
  ]) {
    const text = await readText(tree, path);
    if (text !== undefined) found.push({ path, text, effective });
  }
  return found;
};

/** Lines that hold arguments: what stands before them, the arguments, what stands behind. */
const LINES: readonly { readonly where: RegExp; readonly line: RegExp }[] = [
  { where: /(grub\.cfg)$/, line: /^([ \t]*linux(?:16|efi)?[ \t]+\S+[ \t]+)(.*?)([ \t]*)$/gm },
  { where: /(menu\.lst|grub\.conf)$/, line: /^([ \t]*kernel[ \t]+\S+[ \t]+)(.*?)([ \t]*)$/gm },
  { where: /(extlinux|syslinux)[^/]*\.(conf|cfg)$/, line: /^([ \t]*append[ \t]+)(.*?)([ \t]*)$/gim },
  { where: /\/loader\/entries\//, line: /^(options[ \t]+)(.*?)([ \t]*)$/gm },
  { where: /\/grubenv$/, line: /^(kernelopts=)(.*?)([ \t]*)$/gm },
  { where: /^\/etc\/default\/grub$/, line: /^([ \t]*GRUB_CMDLINE_LINUX=")(.*?)("[ \t]*)$/gm },
  { where: /^\/etc\/kernel\/cmdline$/, line: /^()(\S.*?)([ \t]*)$/gm },
];

/** Arguments of every kernel a file names. */
export const kernelArguments = ({ path, text }: Pick<BootConfig, 'path' | 'text'>): string[][] => {
  const found: string[][] = [];
  for (const { where, line } of LINES) if (where.test(path)) for (const match of text.matchAll(line)) found.push(wordsOf(match[2]!));
  return found;
};

/** The text with other arguments. A variable that stands for arguments (`$kernelopts`) is left alone. */
export const withKernelArguments = ({ path, text }: Pick<BootConfig, 'path' | 'text'>, change: (args: string[]) => string[]): string => {
  let changed = text;
  for (const { where, line } of LINES)
    if (where.test(path))
      changed = changed.replaceAll(line, (_, before: string, args: string, after: string) => {
        const words = wordsOf(args);
        const next = change(words);
        return `${before}${next.join(' ') === words.join(' ') ? args : next.join(' ')}${after}`;
      });
  return path.endsWith('/grubenv') ? paddedEnvironment(changed, text.length) : changed;
};

/** GRUB writes its environment block in place: its length never changes, and `#` fills it. */
const paddedEnvironment = (text: string, length: number): string => {
  const content = text.replace(/#+$/, '');
  return content.length <= length ? content.padEnd(length, '#') : text.slice(0, length);
};
