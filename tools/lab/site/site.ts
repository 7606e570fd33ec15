import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { attachLoop } from '../host/loop-devices.ts';
import { mount } from '../host/mounts.ts';
import { runTool } from '../host/run-tool.ts';
import { FILE_SYSTEMS, type FileSystem } from './file-systems.ts';

/** One disk of the lab's machine: a sparse file behind a loop device, with a file system the workload lives on. */
export interface SiteDisk {
  /** `ext4`, `xfs`: its place in the run's directory and its name in every output. */
  readonly name: string;
  readonly fileSystem: FileSystem;
  /** `/dev/loop3` */
  readonly device: string;
  readonly file: string;
  readonly mountPoint: string;
  /** Bytes. */
  readonly size: number;
}

export interface SiteOptions {
  /** The run's directory; everything is made below it. */
  readonly directory: string;
  /** Bytes of each disk; XFS wants 300 MiB at least. */
  readonly diskSize: number;
  readonly signal?: AbortSignal | undefined;
}

/** Makes and mounts the disks of the lab's machine, one with ext4 and one with XFS, both as their mkfs and mount make them by default. */
export const createSite = async ({ directory, diskSize, signal }: SiteOptions): Promise<SiteDisk[]> => {
  const disks: SiteDisk[] = [];
  for (const fileSystem of FILE_SYSTEMS) {
    const file = path.join(directory, `${fileSystem.name}.img`);
    const mountPoint = path.join(directory, 'mounted', fileSystem.name);
    writeFileSync(file, '');
    truncateSync(file, diskSize);
    mkdirSync(mountPoint, { recursive: true });
    const device = await attachLoop(file, { signal });
    await runTool(fileSystem.make[0], [...fileSystem.make.slice(1), device], { signal });
    await mount(device, mountPoint, '', { signal });
    disks.push({ name: fileSystem.name, fileSystem, device, file, mountPoint, size: diskSize });
  }
  return disks;
};
