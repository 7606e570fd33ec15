import { spawn } from 'node:child_process';
import { lstat, realpath } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromSystem, HoldfastError } from '@holdfast/errors';

export interface PlanScript {
  readonly directory: string | undefined;
  readonly name: string;
  /** Milliseconds. */
  readonly limit: number;
  readonly environment: Readonly<Record<string, string>>;
}

const WRITABLE_BY_OTHERS = 0o022;
const EXECUTABLE = 0o111;
/** Bytes kept of what a script writes: the end. */
const OUTPUT = 2000;
/** Milliseconds that what it has written may take to get here after its end: what it left running may hold its output open for ever. */
const LAST_OUTPUT = 1000;

const refuse = (name: string, why: string, remedy: string): HoldfastError =>
  new HoldfastError('SCRIPT_REFUSED', { thing: `script ${name}`, why, remedy });

/** The file of a script, when nobody but root or who we are can change it. Errors: SCRIPT_REFUSED. */
export const findPlanScript = async (directory: string | undefined, name: string): Promise<string> => {
  if (directory === undefined)
    throw refuse(name, 'this configuration server has no directory of scripts', 'name one in its setting plans.scripts');
  const file = await realpath(path.join(directory, name)).catch((reason: unknown) => {
    throw refuse(name, fromSystem(reason, name).why, `put it into ${directory}`);
  });
  for (const one of [await realpath(directory), file]) {
    const { mode, uid } = await lstat(one);
    if ((uid !== 0 && uid !== process.geteuid?.()) || (mode & WRITABLE_BY_OTHERS) !== 0)
      throw refuse(name, `${one} can be changed by others`, 'let root alone write to it');
    if (one === file && (mode & EXECUTABLE) === 0) throw refuse(name, 'it cannot be executed', `chmod 755 ${file}`);
  }
  return file;
};

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
