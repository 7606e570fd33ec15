import { spawn } from 'node:child_process';
import { fromSystem } from '@holdfast/errors';
import type { ChildMessage } from '../notify/service-manager.ts';

/** A program to run as a child process: one that uses `runProgram`, so that it tells when it is ready. */
export interface SupervisedProgram {
  readonly name: string;
  readonly command: string;
  readonly arguments: readonly string[];
  /** Added to this process's environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** How a child ended: an exit status or the name of a signal. */
export type ChildEnd = { readonly status: number } | { readonly signal: string };

/** A running child. */
export interface Child {
  readonly pid: number;
  readonly ended: Promise<ChildEnd>;
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
}

/** The service manager watches this process, not its children. */
const OWN_VARIABLES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'];

/**
 * Starts a child in a process group of its own, so that Ctrl-C reaches it only through us; when this process dies, the closed channel
 * tells the child to stop. Its lines go where ours go. Rejects when it cannot be started.
 */
export const startChild = async (program: SupervisedProgram, onMessage: (message: ChildMessage) => void): Promise<Child> => {
  const environment = { ...process.env, ...program.environment };
  for (const variable of OWN_VARIABLES) delete environment[variable];
  const child = spawn(program.command, program.arguments, {
    env: environment,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    detached: true,
  });
  const ended = new Promise<ChildEnd>((resolve) => {
    child.once('exit', (status, signal) => resolve(signal === null ? { status: status ?? 0 } : { signal }));
  });
  child.on('message', (message: ChildMessage | null) => {
    if (message?.holdfast !== undefined) onMessage(message);
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (reason) => reject(fromSystem(reason, program.command)));
  });
  // Sending to a child that is just ending fails; that it ends is told by `ended`.
  child.on('error', () => undefined);
  return { pid: child.pid!, ended, kill: (signal) => void child.kill(signal) };
};
