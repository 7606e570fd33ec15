import { type Mounted, mountOf } from './mount-table.ts';
import { type BlockSystem, beneath, devicesOf } from './stacking.ts';

/** A file system that is on a protected disk and can be written to. */
export interface HeldFilesystem {
  readonly device: string;
  /** Where it can be reached: one of its mounts. */
  readonly mountPoint: string;
  /** The block devices it is on. */
  readonly blocks: readonly string[];
  /** Why it is flushed only, never frozen: a file that somebody needs meanwhile is on it. */
  readonly kept?: string;
}

/** A file, or a place for files, that must go on working while others are frozen. */
export interface KeptPath {
  /** Absolute, without links. */
  readonly path: string;
  /** What it is, for people. */
  readonly what: string;
}

export interface Choice extends BlockSystem {
  /** Numbers of the protected disks, "8:0". */
  readonly disks: ReadonlySet<string>;
  readonly kept: readonly KeptPath[];
}

interface Stacked {
  readonly disks: ReadonlySet<string>;
  readonly filesystems: ReadonlySet<string>;
}

const stackOf = (mounted: Mounted, around: BlockSystem): Stacked => {
  const parts = devicesOf(mounted, around).map((device) => beneath(device, around));
  return {
    disks: new Set(parts.flatMap(({ disks }) => [...disks])),
    filesystems: new Set(parts.flatMap(({ filesystems }) => [...filesystems])),
  };
};

/** The file systems not to be frozen, and why: those of kept files, and those in whose files these lie. */
const keptDevices = ({ kept, ...around }: Choice): Map<string, string> => {
  const devices = new Map<string, string>();
  for (const { path, what } of kept) {
    const mounted = mountOf(around.mounts, path);
    if (mounted === undefined) continue;
    for (const device of [mounted.device, ...stackOf(mounted, around).filesystems])
      if (!devices.has(device)) devices.set(device, `${what} is on it`);
  }
  return devices;
};

/**
 * The file systems of protected disks in the order in which they are to be frozen: those that lie in files of others first, because freezing
 * writes out what is in memory, and that has to arrive. They are thawed in the opposite order.
 */
export const chooseFilesystems = (choice: Choice): HeldFilesystem[] => {
  const { mounts, disks } = choice;
  const kept = keptDevices(choice);
  const chosen = new Map<string, { mounted: Mounted; stack: Stacked }>();
  for (const mounted of mounts) {
    if (mounted.readOnly) continue;
    const known = chosen.get(mounted.device);
    // A mount of all of it is the surest way to it; what was mounted over a place hides it.
    const isReachable = mountOf(mounts, mounted.mountPoint) === mounted;
    if (known === undefined ? !isReachable : !isReachable || known.mounted.root === '/' || mounted.root !== '/') continue;
    const stack = known?.stack ?? stackOf(mounted, choice);
    if ([...stack.disks].some((disk) => disks.has(disk))) chosen.set(mounted.device, { mounted, stack });
  }
  return [...chosen.values()]
    .sort((a, b) => b.stack.filesystems.size - a.stack.filesystems.size)
    .map(({ mounted }) => {
      const why = kept.get(mounted.device);
      const { device, mountPoint } = mounted;
      return { device, mountPoint, blocks: devicesOf(mounted, choice), ...(why === undefined ? {} : { kept: why }) };
    });
};
