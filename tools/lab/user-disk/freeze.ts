import { HoldfastError } from '@holdfast/errors';
import type { RunContext } from '../context.ts';
import { startChild } from '../host/child.ts';
import { devicesBelow } from '../host/disks-below.ts';
import { listMounts } from '../host/mounts.ts';
import { runTool } from '../host/run-tool.ts';
import type { WatchdogMessage, WatchdogSettings } from './watchdog.ts';

/** Seconds after which the file systems are thawed whatever happens. */
const FROZEN_AT_MOST = 600;

/** Where file systems of these disks are mounted, each once, the deepest first. */
export const mountPointsOf = (names: readonly string[]): string[] => {
  const seen = new Set<string>();
  return listMounts()
    .reverse()
    .filter(({ directory, deviceNumber, source }) => {
      if (!source.startsWith('/dev/') || seen.has(deviceNumber)) return false;
      const below = devicesBelow(directory);
      if (!names.some((name) => below.has(name))) return false;
      seen.add(deviceNumber);
      return true;
    })
    .map(({ directory }) => directory);
};

/**
 * Does `work` while the file systems at `mountPoints` are frozen. A process of its own thaws them when this one dies, or when it takes
 * too long: then the result counts for nothing and this fails.
 */
export const whileFrozen = async <T>(
  { recorder, signal }: RunContext,
  mountPoints: readonly string[],
  work: () => Promise<T>,
): Promise<T> => {
  if (mountPoints.length === 0) return work();
  let thawedByWatchdog = false;
  const watchdog = startChild<WatchdogMessage, never>({
    script: new URL('./watchdog.ts', import.meta.url),
    settings: { mountPoints, seconds: FROZEN_AT_MOST } satisfies WatchdogSettings,
    onMessage: () => {
      thawedByWatchdog = true;
    },
    onStart: () => undefined,
  });
  const thaw = async (): Promise<void> => {
    for (const mountPoint of mountPoints) {
      await runTool('fsfreeze', ['--unfreeze', mountPoint], { accept: [0, 1] });
      recorder.thawed(mountPoint);
    }
    watchdog.kill();
    await watchdog.ended;
  };
  let result: T;
  try {
    recorder.note({ frozen: mountPoints });
    for (const mountPoint of mountPoints) await runTool('fsfreeze', ['--freeze', mountPoint], { signal });
    result = await work();
  } finally {
    await thaw();
  }
  if (thawedByWatchdog) throw tookTooLong(mountPoints);
  return result;
};

const tookTooLong = (mountPoints: readonly string[]): HoldfastError =>
  new HoldfastError('IO_FAILED', {
    thing: mountPoints.join(', '),
    why: `reading the disk took more than ${FROZEN_AT_MOST} s, the longest a file system is kept frozen`,
    remedy: 'unmount the file systems of the disk and try again',
  });
