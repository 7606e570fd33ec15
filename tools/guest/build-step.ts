import { spawn } from 'node:child_process';
import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';

export interface StepOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** Ends with this process, however that ends, and takes all it started along: a package manager finishes its step first otherwise. */
const LEASH = ['--pdeathsig', 'KILL', 'unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];

/** Runs a step of the build to its end; what it printed is only shown when it fails. */
export const runStep = (program: string, args: readonly string[], { env, signal: interrupt }: StepOptions = {}): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn('setpriv', [...LEASH, program, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const stop = () => child.kill('SIGKILL');
    interrupt?.addEventListener('abort', stop);
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4000)));
    const fail = (why: string, cause?: unknown) =>
      reject(
        new HoldfastError('GUEST_FAILED', {
          thing: `guest image (${path.basename(program)})`,
          why,
          remedy: 'see that mmdebstrap is installed, the Debian archive answers and the disk has 2 GB free, then try again',
          cause,
        }),
      );
    child.on('error', (error) => fail(error.message, error));
    child.on('close', (status, signal) => {
      interrupt?.removeEventListener('abort', stop);
      if (interrupt?.aborted)
        reject(new HoldfastError('INTERRUPTED', { thing: 'guest image', why: 'its build was stopped', remedy: 'start it again' }));
      else if (status === 0) resolve();
      else fail(`it ended with ${status ?? signal}\n${said.trim()}`);
    });
  });
