import { closeSync, openSync, rmSync } from 'node:fs';
import { tryLock } from '../platform/file.ts';
import { takeBack } from './undo.ts';
import { readUndoLog, type Undo } from './undo-log.ts';

/**
 * Takes back what a watchdog that was killed left behind. Does nothing, and gives undefined, while one is alive: it does so itself. Gives what
 * was taken back and what went wrong with it.
 */
export const releaseLeft = async (
  file: string,
): Promise<{ readonly undone: readonly Undo[]; readonly problems: readonly string[] } | undefined> => {
  let fd: number;
  try {
    fd = openSync(file, 'r+');
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'ENOENT') return { undone: [], problems: [] };
    throw reason;
  }
  try {
    if (!tryLock(fd)) return undefined;
    const undone = readUndoLog(file);
    const problems: string[] = [];
    for (const undo of undone) {
      const problem = await takeBack(undo);
      if (problem !== undefined) problems.push(problem);
    }
    rmSync(file, { force: true });
    return { undone, problems };
  } finally {
    closeSync(fd);
  }
};
