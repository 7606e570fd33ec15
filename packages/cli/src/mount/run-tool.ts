import { execFile } from 'node:child_process';
import { HoldfastError } from '@holdfast/errors';

/** Runs a program of the system to its end and gives what it printed. Errors: TOOL_MISSING (not installed), IO_FAILED with its words. */
export const runTool = (program: string, args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(program, [...args], { maxBuffer: 16 * 1024 * 1024, env: { ...process.env, LC_ALL: 'C' } }, (reason, stdout, stderr) => {
      if (reason === null) resolve(stdout);
      else if (reason.code === 'ENOENT') reject(missing(program));
      else
        reject(
          new HoldfastError('IO_FAILED', {
            thing: [program, ...args].join(' '),
            why: stderr.trim().replaceAll(/\s*\n\s*/g, '; ') || `it ended with ${reason.code ?? reason.signal}`,
            remedy: 'see the kernel log for more',
            cause: reason,
          }),
        );
    });
  });

const missing = (program: string): HoldfastError =>
  new HoldfastError('TOOL_MISSING', {
    thing: program,
    why: 'it is not installed here',
    remedy: 'install it: on Debian `apt install libnbd-bin fuse3 fdisk util-linux`',
  });
