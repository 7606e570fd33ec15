import { type ChildProcess, spawn } from 'node:child_process';
import { FROM_SOURCE, mainOf } from '../site/from-source.ts';

/** `holdfast` as a process that may be killed. */
export interface RunningCommand {
  readonly process: ChildProcess;
  /** Resolves when it has written this to standard output; rejects when it ends before. */
  written(pattern: RegExp): Promise<RegExpExecArray>;
  /** SIGKILL. */
  kill(): void;
  readonly ended: Promise<{ readonly status: number | null; readonly stdout: string; readonly stderr: string }>;
}

export const runningCommand = (...args: string[]): RunningCommand => commandIn({}, args);

/** With these variables beside those of this process. */
export const commandIn = (environment: Readonly<Record<string, string>>, args: readonly string[]): RunningCommand => {
  const env = { ...process.env, ...environment };
  const child = spawn(process.execPath, [...FROM_SOURCE, mainOf('cli'), ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
  const told = { stdout: '', stderr: '' };
  for (const from of ['stdout', 'stderr'] as const)
    child[from].setEncoding('utf8').on('data', (text: string) => {
      told[from] += text;
      child.emit('told');
    });
  const ended = new Promise<Awaited<RunningCommand['ended']>>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ ...told, status }));
  });
  return {
    process: child,
    ended,
    kill: () => void child.kill('SIGKILL'),
    written: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = pattern.exec(told.stdout);
          if (found !== null) resolve(found);
        };
        child.on('told', look);
        look();
        ended.then(({ status }) => reject(new Error(`it ended with ${status} before it wrote ${pattern}: ${told.stderr}`)), reject);
      }),
  };
};
