import { spawnSync } from 'node:child_process';

/** The process that thaws file systems when the one that froze them is gone or too slow. It must not touch a frozen file system itself. */

export interface WatchdogSettings {
  readonly mountPoints: readonly string[];
  readonly seconds: number;
}

/** It had to thaw. */
export type WatchdogMessage = { readonly type: 'thawed' };

const { mountPoints, seconds } = JSON.parse(process.argv[2] ?? '') as WatchdogSettings;

const thaw = (): void => {
  for (const mountPoint of mountPoints) spawnSync('fsfreeze', ['--unfreeze', mountPoint]);
};

process.on('disconnect', () => {
  thaw();
  process.exit();
});
setTimeout(() => {
  thaw();
  process.send?.({ type: 'thawed' } satisfies WatchdogMessage);
}, seconds * 1000);
