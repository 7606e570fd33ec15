import { mount, unmount } from '../host/mounts.ts';
import { runTool } from '../host/run-tool.ts';
import type { FileSystem } from '../site/file-systems.ts';
import { judge, type Verdict } from './verdict.ts';

export interface FileSystemQuestion {
  readonly fileSystem: FileSystem;
  /** A copy of the disk: its log is replayed, so it is written to. */
  readonly device: string;
  /** An empty directory. */
  readonly mountPoint: string;
  readonly signal?: AbortSignal | undefined;
}

/** Replays the file system's log by mounting it, as the kernel does after a power loss, then checks it as a whole with its own tool. */
export const checkFileSystem = ({ fileSystem, device, mountPoint, signal }: FileSystemQuestion): Promise<Verdict> =>
  judge(fileSystem.name, async () => {
    await mount(device, mountPoint, fileSystem.copyOptions, { signal });
    await unmount(mountPoint);
    const [command, ...args] = fileSystem.check;
    await runTool(command, [...args, device], { signal });
    return { check: fileSystem.name, good: true, says: 'clean', faults: [] };
  });
