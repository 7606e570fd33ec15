import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { createLineReader, type LogLine } from '../lab/installation/log-lines.ts';

const ROOT = path.resolve(__dirname, '../..');

/** A program from its sources, as a process of its own that specs end and start again. */
export interface StartedProgram {
  /** Resolves when it does its work. */
  start(): Promise<void>;
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

export interface StartedProgramOptions {
  /** Its main file, relative to the root of the tree. */
  readonly main: string;
  readonly args: readonly string[];
  /** Takes everything it writes, of all its lives. */
  readonly logFile: string;
  onLine?(line: LogLine): void;
}

/** What a program logs when its `main` has returned. */
const READY = 'The program does its work';

export const createStartedProgram = ({ main, args, logFile, onLine }: StartedProgramOptions): StartedProgram => {
  let child: ChildProcess | undefined;
  let ended: Promise<void> = Promise.resolve();
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child?.kill(signal);
    await ended;
  };
  return {
    start: () =>
      new Promise((resolve, reject) => {
        const started = spawn(process.execPath, ['--conditions=@holdfast/source', path.join(ROOT, main), ...args], {
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        child = started;
        const log = createWriteStream(logFile, { flags: 'a', mode: 0o600 });
        let said = '';
        const read = createLineReader((line) => {
          onLine?.(line);
          if (line.message === READY) resolve();
        });
        for (const stream of [started.stdout, started.stderr]) {
          stream.pipe(log, { end: false });
          stream.setEncoding('utf8').on('data', (text: string) => {
            said = (said + text).slice(-4000);
            read(text);
          });
        }
        ended = new Promise((gone) => {
          started.once('close', (status, signal) => {
            log.end();
            gone();
            reject(new Error(`${main} ended with ${signal ?? status} before it did its work: ${said}`));
          });
        });
        started.once('error', reject);
      }),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
};
