/** What the lab must know of a file system to make it, to mount a copy of it and to check that copy. */
export interface FileSystem {
  readonly name: 'ext4' | 'xfs';
  /** Makes it on the device that is added as the last argument. */
  readonly make: readonly [string, ...string[]];
  /** Options to mount a copy while the original is mounted too. */
  readonly copyOptions: string;
  /** Checks it, changing nothing; the device is added. */
  readonly check: readonly [string, ...string[]];
}

export const FILE_SYSTEMS: readonly FileSystem[] = [
  { name: 'ext4', make: ['mkfs.ext4', '-q', '-F'], copyOptions: '', check: ['e2fsck', '-f', '-n'] },
  // XFS refuses to mount a second file system with the same uuid.
  { name: 'xfs', make: ['mkfs.xfs', '-q', '-f'], copyOptions: 'nouuid', check: ['xfs_repair', '-n'] },
];
