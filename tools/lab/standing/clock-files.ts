import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const CLOCK_FILE = 'clock.txt';
const EVERY_MS = 1000;

/** Keeps the time in a file on each disk, so that everybody sees in a recovered disk of when it is. Ends when aborted. */
export const keepClocks = async (mountPoints: readonly string[], stopping: AbortSignal): Promise<void> => {
  const files = mountPoints.map((mountPoint) => openSync(path.join(mountPoint, CLOCK_FILE), 'w'));
  try {
    while (!stopping.aborted) {
      for (const file of files) {
        writeSync(file, `${new Date().toISOString()}\n`, 0);
        fsyncSync(file);
      }
      await sleep(EVERY_MS, undefined, { signal: stopping }).catch(() => undefined);
    }
  } finally {
    for (const file of files) closeSync(file);
  }
};
