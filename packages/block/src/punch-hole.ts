import { spawn } from 'node:child_process';

/**
 * Makes a block-aligned range of an open file or block device read as zeroes and frees its room, by util-linux `fallocate`: Node has no
 * call for it. Returns false where it can't (no such program, no such ability of the file system): the caller writes zeroes then.
 */
export const punchHole = (fd: number, offset: number, length: number): Promise<boolean> =>
  new Promise((resolve) => {
    if (process.platform !== 'linux') return resolve(false);
    const args = ['--punch-hole', '--offset', String(offset), '--length', String(length), '/proc/self/fd/3'];
    const child = spawn('fallocate', args, { stdio: ['ignore', 'ignore', 'ignore', fd] });
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
