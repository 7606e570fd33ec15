import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { findTrustedScript } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';

export interface PlanScript {
  readonly directory: string | undefined;
  readonly name: string;
  /** Milliseconds. */
  readonly limit: number;
  readonly environment: Readonly<Record<string, string>>;
}

/** Bytes kept of what a script writes: the end. */
const OUTPUT = 2000;
/** Milliseconds that what it has written may take to get here after its end: what it left running may hold its output open for ever. */
const LAST_OUTPUT = 1000;

/** The file of a script, when nobody but root or who we are can change it. Errors: SCRIPT_REFUSED. */
export const findPlanScript = (directory: string | undefined, name: string): Promise<string> =>
  findTrustedScript(directory, name, 'plans.scripts of this configuration server');

/** Runs a script of a plan to its end and gives the end of what it wrote. Errors: SCRIPT_REFUSED, PLAN_ACTION_FAILED. */
export const runPlanScript = async ({ directory, name, limit, environment }: PlanScript, signal: AbortSignal): Promise<string> => {
  const file = await findPlanScript(directory, name);
  signal.throwIfAborted();
  let output = '';
  const child = spawn(file, [], {
    cwd: '/',
    detached: true,
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-OUTPUT)));
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  };
  const late = AbortSignal.any([signal, AbortSignal.timeout(limit)]);
  late.addEventListener('abort', end, { once: true });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const why = await new Promise<string | undefined>((resolve) => {
    child.once('error', (reason) => resolve(reason.message));
    child.once('exit', (status, by) => resolve(status === 0 ? undefined : `it ended with ${by ?? `status ${status}`}`));
  });
  await Promise.race([closed, sleep(LAST_OUTPUT)]);
  for (const stream of [child.stdout, child.stderr]) stream.destroy();
  late.removeEventListener('abort', end);
  signal.throwIfAborted();
  const said = output.trim();
  if (why === undefined) return said;
  throw new HoldfastError('PLAN_ACTION_FAILED', {
    thing: `script ${name}`,
    why: `${late.aborted ? `it took longer than ${limit / 1000} s` : why}${said === '' ? '' : `; it wrote: ${said.replaceAll(/\s+/g, ' ')}`}`,
    remedy: 'mend what it says, then retry the step',
  });
};
