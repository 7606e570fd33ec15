import { execFile } from 'node:child_process';
import { HoldfastError } from '@holdfast/errors';

const LARGEST_ANSWER = 64 * 1024 * 1024;
/** Of what a program says is wrong, its last bytes. */
const LONGEST_WORDS = 4000;

/** Runs a program of this host to its end and gives what it printed. Errors: TOOL_MISSING (not installed), IO_FAILED with its words. */
export const runTool = (program: string, args: readonly string[], input?: Uint8Array, largest = LARGEST_ANSWER): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const options = { maxBuffer: largest, encoding: 'buffer', env: { ...process.env, LC_ALL: 'C' } } as const;
    const child = execFile(program, [...args], options, (reason, stdout, stderr) => {
      if (reason === null) resolve(stdout);
      else if (reason.code === 'ENOENT') reject(toolMissing(program));
      else
        reject(
          new HoldfastError('IO_FAILED', {
            thing: [program, ...args].join(' ').slice(0, 300),
            why:
              stderr
                .subarray(-LONGEST_WORDS)
                .toString('utf8')
                .trim()
                .replaceAll(/\s*\n\s*/g, '; ') || `it ended with ${reason.code ?? reason.signal}`,
            remedy: 'see the kernel log for more',
            cause: reason,
          }),
        );
    });
    // A program that needs no more of it, or is not there, says so itself.
    child.stdin?.on('error', () => {}).end(input);
  });

export const toolMissing = (program: string): HoldfastError =>
  new HoldfastError('TOOL_MISSING', {
    thing: program,
    why: 'it is not installed here',
    remedy: 'install it: on Debian `apt install libnbd-bin fuse3 fdisk util-linux mtools xz-utils`',
  });
