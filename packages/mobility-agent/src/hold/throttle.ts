import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** A line to write to a file of the kernel's, and the one that takes it back. */
export interface ThrottleStep {
  readonly file: string;
  readonly text: string;
  readonly restore: string;
}

/** Where the hierarchies of control groups are mounted; undefined: there is none that limits I/O. */
export interface ControlGroups {
  /** Version 1 of the controller `blkio`. */
  readonly legacy?: string;
  readonly unified?: string;
}

const V1_LIMIT = 'blkio.throttle.write_iops_device';
const V2_LIMIT = 'io.max';

const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
};

const words = (file: string): string[] => read(file).trim().split(/\s+/);

const childrenOf = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => path.join(folder, name));

/** The hierarchies in a mount table (see `parseMountTable`). */
export const findControlGroups = (mounts: readonly { readonly type: string; readonly mountPoint: string }[]): ControlGroups => {
  const legacy = mounts.find(({ type, mountPoint }) => type === 'cgroup' && existsSync(path.join(mountPoint, V1_LIMIT)))?.mountPoint;
  const unified = mounts.find(
    ({ type, mountPoint }) => type === 'cgroup2' && words(path.join(mountPoint, 'cgroup.controllers')).includes('io'),
  );
  return { ...(legacy === undefined ? {} : { legacy }), ...(unified === undefined ? {} : { unified: unified.mountPoint }) };
};

/** The limit of a device in `file`, undefined when there is none. */
const limitOf = (file: string, device: string): number | undefined => {
  const line = read(file)
    .split('\n')
    .find((one) => one.startsWith(`${device} `));
  const value = /(?:^\S+ |wiops=)(\d+)(?:\s|$)/.exec(line ?? '')?.[1];
  return value === undefined ? undefined : Number(value);
};

/** In version 1 a limit counts for one group alone: all of them get it. */
const inLegacy = (folder: string, disks: readonly string[], operations: number): ThrottleStep[] => [
  ...disks.flatMap((disk): ThrottleStep[] => {
    const file = path.join(folder, V1_LIMIT);
    const before = limitOf(file, disk);
    if (before !== undefined && before <= operations) return [];
    return [{ file, text: `${disk} ${operations}`, restore: `${disk} ${before ?? 0}` }];
  }),
  ...childrenOf(folder).flatMap((child) => inLegacy(child, disks, operations)),
];

/** In version 2 a group's limit counts for all below it, and the root has none: the groups directly below it get one. */
const inUnified = (root: string, disks: readonly string[], operations: number): ThrottleStep[] => {
  const control = path.join(root, 'cgroup.subtree_control');
  const enable: ThrottleStep[] = words(control).includes('io') ? [] : [{ file: control, text: '+io', restore: '-io' }];
  const limits = childrenOf(root).flatMap((child) =>
    disks.flatMap((disk): ThrottleStep[] => {
      const file = path.join(child, V2_LIMIT);
      const before = limitOf(file, disk);
      if (before !== undefined && before <= operations) return [];
      return [{ file, text: `${disk} wiops=${operations}`, restore: `${disk} wiops=${before ?? 'max'}` }];
    }),
  );
  return limits.length === 0 ? [] : [...enable, ...limits];
};

/** What limits all groups to so many writes a second to each of these disks ("8:0"); lower limits that are there stay. */
export const throttleSteps = ({ legacy, unified }: ControlGroups, disks: readonly string[], operations: number): ThrottleStep[] => [
  ...(legacy === undefined ? [] : inLegacy(legacy, disks, operations)),
  ...(unified === undefined ? [] : inUnified(unified, disks, operations)),
];
