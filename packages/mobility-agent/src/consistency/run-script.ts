import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ScriptCall } from '../hold/undo-log.ts';
import { onGivenProcessors } from '../platform/processors.ts';

export type ScriptPhase = 'pre' | 'post';

export interface ScriptEnd {
  /** Why it is not well; undefined when it is. */
  readonly problem: string | undefined;
  /** Process group of all it started; undefined when it could not be started. */
  readonly group: number | undefined;
}

/** Bytes kept of what a script writes: the end. */
const OUTPUT_LIMIT = 2048;
/** Milliseconds a script has between being asked and being made to end. */
const LAST_WORDS = 1000;
/** Milliseconds waited for the last output of a script that has ended; what it left running may hold the pipe open. */
const LAST_OUTPUT = 100;

/** Ends a process group at once; nothing when there is none. */
export const endGroup = (group: number, signal: NodeJS.Signals = 'SIGKILL'): void => {
  try {
    process.kill(-group, signal);
  } catch {
    // It has ended.
  }
};

/** Runs `file pre` or `file post` with nothing but the given environment; never rejects. An aborted signal ends it like its time limit. */
export const runScript = async (
  { file, limit, environment }: ScriptCall,
  phase: ScriptPhase,
  signal: AbortSignal = new AbortController().signal,
): Promise<ScriptEnd> => {
  let output = '';
  const env = { ...environment, HOLDFAST_PHASE: phase, HOLDFAST_TIME_LIMIT: String(Math.ceil(limit / 1000)) };
  // What it starts may stay for good.
  const child = onGivenProcessors(() => spawn(file, [phase], { cwd: '/', detached: true, env, stdio: ['ignore', 'pipe', 'pipe'] }));
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-OUTPUT_LIMIT)));
  }
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ended = new Promise<string | undefined>((resolve) => {
    child.once('error', (reason) => resolve(`it could not be started: ${reason.message}`));
    child.once('exit', (status, signal) =>
      resolve(status === 0 ? undefined : `it ended with ${status === null ? signal : `status ${status}`}`),
    );
  });
  const over = new AbortController();
  const group = child.pid;
  const LATE = Symbol('late');
  const tooLong = sleep(limit, LATE, { signal: AbortSignal.any([over.signal, signal]) }).catch(() => LATE);
  const first = await Promise.race([ended, tooLong]);
  let problem = typeof first === 'symbol' ? undefined : first;
  if (typeof first === 'symbol') {
    problem = signal.aborted ? 'it was ended, because the hold is over' : `it took longer than ${limit / 1000} s`;
    if (group !== undefined) {
      endGroup(group, 'SIGTERM');
      await Promise.race([ended, sleep(LAST_WORDS)]);
      endGroup(group);
    }
    await ended;
  }
  over.abort();
  await Promise.race([closed, sleep(LAST_OUTPUT)]);
  const said = output.trim();
  return { problem: problem === undefined || said === '' ? problem : `${problem}; it wrote: ${said}`, group };
};
