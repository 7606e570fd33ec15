import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { HoldfastError } from '@holdfast/errors';
import { cpuSecondsOf } from '../lab/host/processes.ts';
import { fromSource } from './from-source.ts';
import { createLineReader, type LogLine, wordsOf } from './log-lines.ts';

/** One of Holdfast's programs as people run it: a process of its own with a settings file; ended and started again as often as one likes. */
export interface ProgramProcess {
  readonly name: string;
  /** Has everything it wrote, of all its lives. */
  readonly logFile: string;
  /** Of the life it has now, if any. */
  readonly pid: number | undefined;
  /** SIGKILLs so far. */
  readonly kills: number;
  /** Of all its lives; as of the last `sample`. */
  readonly cpuSeconds: number;
  /** Resolves when it says that it does its work. */
  start(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves when it has ended in order. Nothing happens to one that does not run. */
  stop(): Promise<void>;
  /** To be called every second or so: the CPU time of a process that may be killed any moment. */
  sample(): void;
  /** Resolves when the life it has now has ended, however. */
  readonly ended: Promise<void>;
  /** Rejects when it first ends unasked; never resolves. */
  readonly failure: Promise<never>;
}

export interface ProgramProcessOptions {
  /** "holdfast-agent". */
  readonly name: string;
  /** Its main file. */
  readonly main: string;
  /** Its settings file. */
  readonly config: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** What the command begins with: another program that becomes it, in the same process. */
  readonly enter?: readonly string[];
  /** Takes everything it writes, of all its lives. */
  readonly logFile: string;
  /** Gets the process number at once, to be recorded. */
  onStart?(pid: number): void;
  onLine?(line: LogLine): void;
}

/** What a program logs when its `main` has returned. */
const READY = 'The program does its work';
const WORDS_KEPT = 4000;

class ProgramProcessImpl implements ProgramProcess {
  readonly failure: Promise<never>;
  readonly #options: ProgramProcessOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #expectedEnd = false;
  #fail: (reason: unknown) => void = () => undefined;
  #kills = 0;
  #earlierCpu = 0;
  #cpu = 0;

  constructor(options: ProgramProcessOptions) {
    this.#options = options;
    this.failure = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failure.catch(() => undefined);
  }

  get name(): string {
    return this.#options.name;
  }

  get logFile(): string {
    return this.#options.logFile;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get ended(): Promise<void> {
    return this.#ended;
  }

  get kills(): number {
    return this.#kills;
  }

  get cpuSeconds(): number {
    return this.#earlierCpu + this.#cpu;
  }

  async start(): Promise<void> {
    const { name, main, config, environment, enter = [], logFile, onStart, onLine } = this.#options;
    this.#expectedEnd = false;
    // A process group of its own, so that a Ctrl-C at the terminal is for the lab to pass on; the channel tells it when the lab is gone.
    const [command, ...args] = [...enter, process.execPath, ...fromSource(name), main, '--config', config];
    const child = spawn(command!, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, ...environment },
    });
    if (child.pid === undefined) throw this.#error('its process could not be started', 'free memory or processes and try again');
    this.#child = child;
    onStart?.(child.pid);
    const log = createWriteStream(logFile, { flags: 'a', mode: 0o600 });
    let lastWords = '';
    const ready = new Promise<void>((resolve) => {
      const read = createLineReader((line) => {
        if (line.level === 'error') lastWords = wordsOf(line);
        if (line.message === READY) resolve();
        onLine?.(line);
      });
      for (const stream of [child.stdout!, child.stderr!]) {
        stream.pipe(log, { end: false });
        stream.setEncoding('utf8').on('data', read);
      }
      child.stderr?.on('data', (text: string) => {
        if (!text.startsWith('{')) lastWords = (lastWords + text).slice(-WORDS_KEPT);
      });
    });
    // A signal to a process that is just dying fails; its end says the rest.
    child.on('error', () => undefined);
    let die: (reason: unknown) => void = () => undefined;
    const died = new Promise<never>((_, reject) => {
      die = reject;
    });
    died.catch(() => undefined);
    this.#ended = new Promise((resolve) => {
      child.on('close', (status, signal) => {
        log.end();
        this.#earlierCpu += this.#cpu;
        this.#cpu = 0;
        this.#child = undefined;
        resolve();
        if (this.#expectedEnd) return;
        const why = `it ended unasked with ${signal ?? `status ${status}`}${lastWords === '' ? '' : `: ${lastWords.trim()}`}`;
        const error = this.#error(why, 'look at its words; report them if they tell you nothing');
        die(error);
        this.#fail(error);
      });
    });
    await Promise.race([ready, died]);
  }

  async kill(): Promise<void> {
    this.#kills += 1;
    await this.#end('SIGKILL');
  }

  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  sample(): void {
    const pid = this.#child?.pid;
    if (pid !== undefined) this.#cpu = cpuSecondsOf(pid) ?? this.#cpu;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    this.sample();
    this.#expectedEnd = true;
    this.#child?.kill(signal);
    await this.#ended;
  }

  #error(why: string, remedy: string): HoldfastError {
    return new HoldfastError('IO_FAILED', { thing: this.name, why, remedy });
  }
}

export const createProgramProcess = (options: ProgramProcessOptions): ProgramProcess => new ProgramProcessImpl(options);
