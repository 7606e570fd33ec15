import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Outcome {
  readonly status: number | null;
  readonly output: string;
}

/** Runs a program to its end; `output` is what it said on both channels. */
export const run = async (program: string, ...parameters: string[]): Promise<Outcome> => {
  const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = collect(child);
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, output: output() };
};

/** Like `run`, but anything but success is an error. Resolves to the output. */
export const succeed = async (program: string, ...parameters: string[]): Promise<string> => {
  const { status, output } = await run(program, ...parameters);
  if (status !== 0) throw new Error(`${program} ${parameters.join(' ')} ended with ${status}: ${output}`);
  return output;
};

/** Everything a child has said so far. */
export const collect = (child: ChildProcess): (() => string) => {
  let text = '';
  for (const channel of [child.stdout, child.stderr]) {
    channel?.on('data', (chunk: Buffer) => {
      text += chunk;
    });
  }
  return () => text;
};

/** Ends a child and waits until it has. */
export const end = async (child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
};
