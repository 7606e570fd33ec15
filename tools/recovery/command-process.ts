import { type ChildProcess, spawn } from 'node:child_process';
import { FROM_SOURCE, mainOf } from '../site/from-source.ts';
import { type HeardProcess, hearProcess } from '../site/hear-process.ts';

/** `holdfast` as a process that may be killed. */
export interface RunningCommand extends HeardProcess {
  readonly process: ChildProcess;
  /** SIGKILL. */
  kill(): void;
}

export const runningCommand = (...args: string[]): RunningCommand => commandIn({}, args);

/** With these variables beside those of this process. */
export const commandIn = (environment: Readonly<Record<string, string>>, args: readonly string[]): RunningCommand => {
  const env = { ...process.env, ...environment };
  const child = spawn(process.execPath, [...FROM_SOURCE, mainOf('cli'), ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
  return { process: child, ...hearProcess(child), kill: () => void child.kill('SIGKILL') };
};
