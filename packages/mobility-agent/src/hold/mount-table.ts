/** A mounted file system, as a line of `/proc/self/mountinfo` tells of it. */
export interface Mounted {
  /** "8:1"; of a file system that is on no block device, or on several (btrfs), a number of its own: "0:36". */
  readonly device: string;
  /** What of the file system is mounted: "/" is all of it. */
  readonly root: string;
  readonly mountPoint: string;
  readonly type: string;
  /** "/dev/sda1". */
  readonly source: string;
  /** Nothing of it can be written, through whichever mount. */
  readonly readOnly: boolean;
}

const plain = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** Reads the text of `/proc/self/mountinfo` (proc_pid_mountinfo(5)); later mounts come later. */
export const parseMountTable = (text: string): Mounted[] =>
  text.split('\n').flatMap((line) => {
    const [mount, superblock] = line.split(' - ');
    const [, , device, root, mountPoint] = mount?.split(' ') ?? [];
    const [type, source, options] = superblock?.split(' ') ?? [];
    if (device === undefined || root === undefined || mountPoint === undefined || type === undefined || source === undefined) return [];
    const readOnly = options?.split(',').includes('ro') ?? false;
    return [{ device, root: plain(root), mountPoint: plain(mountPoint), type, source: plain(source), readOnly }];
  });

/** The mount an absolute path without links lies in; undefined where nothing is mounted. */
export const mountOf = (mounts: readonly Mounted[], path: string): Mounted | undefined => {
  let found: Mounted | undefined;
  for (const mounted of mounts) {
    const { mountPoint } = mounted;
    const holds = mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`);
    if (holds && mountPoint.length >= (found?.mountPoint.length ?? 0)) found = mounted;
  }
  return found;
};
