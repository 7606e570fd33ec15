import { spawn } from 'node:child_process';
import path from 'node:path';

const MAIN = path.resolve(__dirname, '../../packages/cli/src/main.ts');
/** Ten times what the slowest command takes on a busy machine. */
const PATIENCE_MS = 120_000;

export interface CliResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that runs, mostly `holdfast`. */
export interface CliProcess {
  /** Resolves when it has written this to standard output; rejects when it ends before. */
  written(pattern: RegExp): Promise<RegExpExecArray>;
  interrupt(): void;
  readonly ended: Promise<CliResult>;
}

/** Somebody with a directory of contexts, who runs `holdfast` as a process of its own. */
export interface Person {
  start(args: readonly string[], input?: string): CliProcess;
  run(args: readonly string[], input?: string): Promise<CliResult>;
  /** What a command that ends well says as JSON. */
  json<T>(args: readonly string[]): Promise<T>;
}

/** What a process gets besides its arguments. */
interface Given {
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

const startProcess = (main: string, args: readonly string[], { input = '', environment = {} }: Given): CliProcess => {
  const child = spawn(process.execPath, ['--conditions=@holdfast/source', main, ...args], {
    env: { ...process.env, ...environment },
    timeout: PATIENCE_MS,
    killSignal: 'SIGKILL',
  });
  const told = { stdout: '', stderr: '' };
  for (const from of ['stdout', 'stderr'] as const)
    child[from].setEncoding('utf8').on('data', (text: string) => {
      told[from] += text;
      child.emit('told');
    });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const ended = new Promise<CliResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ ...told, status }));
  });
  return {
    ended,
    interrupt: () => void child.kill('SIGINT'),
    written: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = pattern.exec(told.stdout);
          if (found !== null) resolve(found);
        };
        child.on('told', look);
        look();
        void ended.then(({ status, stderr }) => reject(new Error(`it ended with ${status} and never said ${pattern}: ${stderr}`)));
      }),
  };
};

/** Runs a program of the tree, by its main file, to its end. */
export const runProcess = (main: string, args: readonly string[], given: Given = {}): Promise<CliResult> =>
  startProcess(main, args, given).ended;

export const createPerson = (directory: string): Person => {
  const start: Person['start'] = (args, input = '') =>
    startProcess(MAIN, args, { input, environment: { HOLDFAST_CLI_DIRECTORY: directory } });
  const run: Person['run'] = (args, input) => start(args, input).ended;
  return {
    start,
    run,
    json: async (args) => {
      const { status, stdout, stderr } = await run([...args, '--output', 'json']);
      if (status !== 0) throw new Error(`holdfast ${args.join(' ')} ended with ${status}: ${stderr}`);
      return JSON.parse(stdout);
    },
  };
};
