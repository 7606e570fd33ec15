import { execFile } from 'node:child_process';
import { HoldfastError } from '@holdfast/errors';

const LARGEST_ANSWER = 64 * 1024 * 1024;
/** Of what a program says is wrong, its last bytes. */
const LONGEST_WORDS = 4000;

/** Seconds that programs may take. */
export const TOOL_LIMITS = {
  /** What reads a table or a directory, or makes something of a few KiB, over a disk that comes out of a vault. */
  usual: 300,
  /** Mounting, which replays a journal, and unmounting, which writes what was changed. */
  mount: 1_800,
  /** Reading all of the metadata of a file system. */
  check: 6 * 3_600,
} as const;

export interface ToolOptions {
  readonly input?: Uint8Array;
  /** Bytes of its answer. */
  readonly largest?: number;
  readonly seconds?: number;
  /** Ends it, and is not waited for either. */
  readonly signal?: AbortSignal;
}

/**
 * Runs a program of this host to its end and gives what it printed. Errors: TOOL_MISSING (not installed), IO_FAILED with its words, TIMED_OUT, why the signal
 * was aborted. One that takes too long is killed, and not waited for: what waits in the kernel for a disk ends when that is served no more.
 */
export const runTool = (
  program: string,
  args: readonly string[],
  { input, largest = LARGEST_ANSWER, seconds = TOOL_LIMITS.usual, signal }: ToolOptions = {},
): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) throw signal.reason;
    const thing = [program, ...args].join(' ').slice(0, 300);
    const options = { maxBuffer: largest, encoding: 'buffer', env: { ...process.env, LC_ALL: 'C' } } as const;
    const child = execFile(program, [...args], options, (reason, stdout, stderr) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
      if (reason === null) resolve(stdout);
      else if (reason.code === 'ENOENT') reject(toolMissing(program));
      else
        reject(
          new HoldfastError('IO_FAILED', {
            thing,
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
    const giveUp = (): void => {
      child.kill('SIGKILL');
      reject(signal!.reason);
    };
    signal?.addEventListener('abort', giveUp, { once: true });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(
        new HoldfastError('TIMED_OUT', {
          thing,
          why: `it did not end within ${seconds} s`,
          remedy: 'see whether the vault answers and how fast; a machine can be started without adaptation too',
        }),
      );
    }, seconds * 1000);
    // A program that needs no more of it, or is not there, says so itself.
    child.stdin?.on('error', () => {}).end(input);
  });

export const toolMissing = (program: string): HoldfastError =>
  new HoldfastError('TOOL_MISSING', {
    thing: program,
    why: 'it is not installed here',
    remedy: 'install it: on Debian `apt install libnbd-bin fuse3 fdisk util-linux mtools xz-utils`',
  });
