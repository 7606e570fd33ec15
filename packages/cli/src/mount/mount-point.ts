import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { clearScratch, type MountedVolumes, makeScratch, mountVolumes } from '@holdfast/fabric';
import type { MachineHistory, PointDisk, RecoveryPoint } from '@holdfast/vault';
import { closing } from '../closing.ts';
import { type DiskServer, type ServeOptions, serveDisks } from '../disks/serve-disks.ts';
import type { Surroundings } from '../surroundings.ts';

export interface MountOptions extends Pick<ServeOptions, 'cache'> {
  /** An empty directory that gets one for each file system; in the scratch directory unless told. */
  readonly directory?: string;
}

/** Where scratch directories are; large enough for what replaying journals writes. */
export const scratchBase = ({ environment }: Surroundings): string => environment['HOLDFAST_MOUNT_DIRECTORY'] ?? '/var/tmp/holdfast-mounts';

/**
 * Mounts the file systems of a point read-only. Each disk lies under an overlay that takes what replaying journals writes; the vault stays as it is. Needs root,
 * FUSE and loop devices. Errors: NO_PERMISSION, TOOL_MISSING, IO_FAILED.
 */
export const mountPoint = async (
  surroundings: Surroundings,
  history: MachineHistory,
  point: RecoveryPoint,
  disks: readonly PointDisk[],
  { directory, cache }: MountOptions,
): Promise<MountedVolumes> => {
  if (process.getuid?.() !== 0)
    throw new HoldfastError('NO_PERMISSION', { thing: 'mounting', why: 'only root may mount file systems', remedy: 'run it by sudo' });
  const { stderr, stop } = surroundings;
  const scratch = await makeScratch(scratchBase(surroundings), (cleared) =>
    stderr.write(`Cleared up ${cleared}, left by a mount that was killed.\n`),
  );
  let server: DiskServer | undefined;
  try {
    server = await serveDisks(surroundings, history, point, disks, {
      listen: { path: path.join(scratch, 'nbd.sock') },
      overlayOf: ({ id }) => path.join(scratch, `overlay-${id}`),
      ...(cache && { cache }),
    });
    const served = server.disks.map(({ disk: { id, name }, uri }) => ({ id, name, uri }));
    const mounted = await mountVolumes(served, { scratch, signal: stop, ...(directory !== undefined && { directory }) });
    const close = (): Promise<void> => closing(surroundings, async () => server?.close(), mounted.close);
    return { ...mounted, close };
  } catch (reason) {
    // Never without an error: that of what failed first.
    return closing(
      surroundings,
      async () => server?.close(),
      () =>
        closing(
          surroundings,
          async () => void (await clearScratch(scratch)),
          async () => {
            throw reason;
          },
        ),
    );
  }
};
