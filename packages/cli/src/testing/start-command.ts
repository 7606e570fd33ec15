// Runs the real `holdfast` as a process of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import type { CommandResult } from './run-command.ts';

const MAIN = path.join(__dirname, '../main.ts');
/** Ten times what the slowest of these commands takes on a busy machine. */
const DEADLINE = 120_000;

export interface StartedCommand {
  readonly child: ChildProcess;
  /** Resolves when the command has written this to its standard output or error. */
  written(pattern: RegExp): Promise<RegExpExecArray>;
  readonly ended: Promise<CommandResult>;
}

export const startCommand = (args: readonly string[], environment: Readonly<Record<string, string>> = {}): StartedCommand => {
  const child = spawn(process.execPath, ['--conditions=@holdfast/source', MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
    timeout: DEADLINE,
    killSignal: 'SIGKILL',
  });
  const told = { stdout: '', stderr: '' };
  const collect = (from: 'stdout' | 'stderr'): void => {
    child[from]!.setEncoding('utf8').on('data', (text: string) => {
      told[from] += text;
      child.emit('told');
    });
  };
  collect('stdout');
  collect('stderr');
  const ended = new Promise<CommandResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => resolve({ ...told, status: status ?? (signal === null ? -1 : -2) }));
  });
  const written = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = pattern.exec(told.stdout) ?? pattern.exec(told.stderr);
        if (found === null) return;
        child.off('told', look);
        resolve(found);
      };
      child.on('told', look);
      look();
      void ended.then(
        ({ status, stderr }) => reject(new Error(`it ended with status ${status} and never said ${pattern}: ${stderr}`)),
        reject,
      );
    });
  return { child, written, ended };
};

export const runCommand = (args: readonly string[], environment?: Readonly<Record<string, string>>): Promise<CommandResult> =>
  startCommand(args, environment).ended;
