import { spawn } from 'node:child_process';
import { HoldfastError } from '@holdfast/errors';

export interface ToolResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunToolOptions {
  /** Ends the program (SIGKILL) when it aborts; the call then fails with the signal's reason, after the program is gone. */
  readonly signal?: AbortSignal | undefined;
  /** Exit statuses that are not failures; 0 alone unless told. */
  readonly accept?: readonly number[];
}

/** Where Debian keeps what only root needs; `su` and services may lack it. */
const PATH = [process.env['PATH'] ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin'].join(':');

/** Output kept of each stream, in characters: enough for every listing, and a tool that babbles fills no memory. */
const OUTPUT_LIMIT = 8 << 20;

/**
 * Runs a program of the system to its end. It gets its own process group: a Ctrl-C at the terminal reaches us alone, and we decide what
 * is ended when. TOOL_MISSING when there is no such program, IO_FAILED with its own words when it ends otherwise than accepted.
 */
export const runTool = (command: string, args: readonly string[], options: RunToolOptions = {}): Promise<ToolResult> => {
  const { signal, accept = [0] } = options;
  const thing = [command, ...args].join(' ');
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PATH, LC_ALL: 'C' } });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        if (output[name].length < OUTPUT_LIMIT) output[name] += text;
      });
    }
    const abort = () => void child.kill('SIGKILL');
    signal?.addEventListener('abort', abort, { once: true });
    child.on('error', (cause) => {
      signal?.removeEventListener('abort', abort);
      reject(
        new HoldfastError('TOOL_MISSING', {
          thing: command,
          why: `it cannot be run (${cause.message})`,
          remedy: 'install it and try again',
          cause,
        }),
      );
    });
    child.on('close', (status, killed) => {
      signal?.removeEventListener('abort', abort);
      if (signal?.aborted) return reject(signal.reason);
      if (status !== null && accept.includes(status)) return resolve({ status, ...output });
      const said = [output.stderr.trim(), output.stdout.trim()].filter((text) => text !== '').join(' / ');
      const words = said === '' ? 'it said nothing' : said.slice(0, 2000);
      return reject(
        new HoldfastError('IO_FAILED', {
          thing,
          why: `it ended with ${killed ?? `status ${status}`}: ${words.replace(/\s*\n\s*/g, ' / ')}`,
          remedy: 'look at its words',
        }),
      );
    });
  });
};
