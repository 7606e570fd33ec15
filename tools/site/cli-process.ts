import { spawn } from 'node:child_process';
import { runHoldfast } from '@holdfast/cli';
import { HoldfastError } from '@holdfast/errors';
import { createKeyVaultKey, openStore } from '@holdfast/object-store';
import { FROM_SOURCE, mainOf } from './from-source.ts';
import { type EndedProcess, type HeardProcess, hearProcess } from './hear-process.ts';

/** Ten times what the slowest command takes on a busy machine. */
const PATIENCE_MS = 120_000;

/** A program that runs, mostly `holdfast`. */
export interface CliProcess extends HeardProcess {
  /** SIGINT. */
  interrupt(): void;
}

/** Somebody with a directory of contexts, who runs `holdfast`. */
export interface Person {
  /** As a process of its own, like the next two. */
  start(args: readonly string[], input?: string): CliProcess;
  run(args: readonly string[], input?: string): Promise<EndedProcess>;
  /** What a command that ends well says as JSON; IO_FAILED with its words when it does not. */
  json<T>(args: readonly string[], given?: Given): Promise<T>;
  /** The same in this process, for looking again and again. */
  look<T>(args: readonly string[], stop: AbortSignal): Promise<T>;
}

/** What a process gets besides its arguments. */
export interface Given {
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Milliseconds after which it is killed; ten times what the slowest command takes on a busy machine, unless told. */
  readonly patience?: number;
  /** Gets the process number at once, to be recorded. */
  onStart?(pid: number): void;
}

const startProcess = (
  main: string,
  args: readonly string[],
  { input = '', environment = {}, patience = PATIENCE_MS, onStart }: Given,
): CliProcess => {
  const child = spawn(process.execPath, [...FROM_SOURCE, main, ...args], {
    env: { ...process.env, ...environment },
    // Ctrl-C at the terminal is for whoever began it, to pass on.
    detached: true,
    timeout: patience,
    killSignal: 'SIGKILL',
  });
  if (child.pid !== undefined) onStart?.(child.pid);
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return { ...hearProcess(child), interrupt: () => void child.kill('SIGINT') };
};

/** Runs a program of the tree, by its main file, to its end. */
export const runProcess = (main: string, args: readonly string[], given: Given = {}): Promise<EndedProcess> =>
  startProcess(main, args, given).ended;

/** What a program wrote to standard output; IO_FAILED with its words when it did not end well. */
export const outputOf = (what: string, { status, stdout, stderr }: EndedProcess): string => {
  if (status === 0) return stdout;
  throw new HoldfastError('IO_FAILED', {
    thing: what,
    why: `it ended with status ${status}: ${stderr.trim()}`,
    remedy: 'look at its words; report them if they tell you nothing',
  });
};

const runHere = async (
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  stop: AbortSignal,
): Promise<EndedProcess> => {
  const told = { stdout: '', stderr: '' };
  const status = await runHoldfast(args, {
    stdout: { write: (text) => (told.stdout += text) },
    stderr: { write: (text) => (told.stderr += text) },
    environment: { ...process.env, ...environment },
    stop,
    now: Date.now,
    openStore,
    openKeyVault: (url) => createKeyVaultKey(url),
  });
  return { ...told, status };
};

/** A person whose logins are kept in this directory; `onStart` gets the number of every process; `patience` as `Given`. */
export const createPerson = (directory: string, onStart: (pid: number) => void = () => undefined, patience = PATIENCE_MS): Person => {
  const own = { HOLDFAST_CLI_DIRECTORY: directory };
  const startWith = (args: readonly string[], { input = '', environment }: Given): CliProcess =>
    startProcess(mainOf('cli'), args, { input, environment: { ...own, ...environment }, patience, onStart });
  const asJson = (args: readonly string[], result: EndedProcess) => JSON.parse(outputOf(`holdfast ${args.join(' ')}`, result));
  return {
    start: (args, input = '') => startWith(args, { input }),
    run: (args, input = '') => startWith(args, { input }).ended,
    json: async (args, given = {}) => asJson(args, await startWith([...args, '--output', 'json'], given).ended),
    look: async (args, stop) => asJson(args, await runHere([...args, '--output', 'json'], own, stop)),
  };
};
