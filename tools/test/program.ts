import { spawn } from 'node:child_process';
import { constants } from 'node:os';

export interface ProgramResult {
  readonly ok: boolean;
  /** What it printed, stdout and stderr as they came; empty when it was shown. */
  readonly output: string;
}

interface ProgramOptions {
  readonly cwd: string;
  /** Show the output as it comes instead of keeping it. */
  readonly show?: boolean;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs a program of node_modules/.bin or the PATH. A signal to us is handed to it; when it has ended, so do we. */
export const runProgram = (name: string, args: readonly string[], { cwd, show = false, env }: ProgramOptions): Promise<ProgramResult> =>
  new Promise((resolve, reject) => {
    const child = spawn(name, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', show ? 'inherit' : 'pipe', show ? 'inherit' : 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => (output += text));
    let interruptedBy: NodeJS.Signals | undefined;
    const interrupt = (signal: NodeJS.Signals) => {
      interruptedBy = signal;
      child.kill(signal);
    };
    for (const signal of SIGNALS) process.on(signal, interrupt);
    child.on('error', reject);
    child.on('close', (status) => {
      for (const signal of SIGNALS) process.off(signal, interrupt);
      if (interruptedBy !== undefined) process.exit(128 + constants.signals[interruptedBy]);
      resolve({ ok: status === 0, output });
    });
  });
