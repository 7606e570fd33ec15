import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';

type Line = Readonly<Record<string, unknown>> & { readonly message: string };

/** A real process of example-program.ts. */
export interface StartedProgram {
  readonly pid: number;
  /** The lines of its log so far. */
  readonly lines: readonly Line[];
  /** Text it wrote that is no log. */
  text(): string;
  /** The first line, of those written or to come, with this message. Rejects when the program ends without one. */
  line(message: string): Promise<Line>;
  kill(signal: NodeJS.Signals): void;
  /** What Ctrl-C does: SIGINT for its whole process group. */
  interrupt(): void;
  /** Exit status, or the name of the signal. */
  readonly ended: Promise<number | string>;
}

export interface StartOptions {
  /** File beside this one. Default: example-program.ts. */
  readonly program?: string;
  /** What comes by standard input; nothing by default. */
  readonly input?: string;
  readonly flags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const NODE_FLAGS = ['--conditions=@holdfast/source', '--disable-warning=ExperimentalWarning'];

const gather = (child: ChildProcess) => {
  const lines: Line[] = [];
  let text = '';
  let wake = Promise.withResolvers<void>();
  const changed = (): void => {
    wake.resolve();
    wake = Promise.withResolvers<void>();
  };
  const take = (line: string): void => {
    if (line.startsWith('{')) lines.push(JSON.parse(line) as Line);
    else text += `${line}\n`;
    changed();
  };
  createInterface({ input: child.stdout! }).on('line', take);
  createInterface({ input: child.stderr! }).on('line', take);
  return { lines, text: () => text, changed, next: () => wake.promise };
};

/** Programs that specs started and that may still run. */
const running = new Set<ChildProcess>();

/** Ends whatever is left; for afterEach. */
export const killPrograms = async (): Promise<void> => {
  await Promise.all(
    [...running].map(
      (child) =>
        new Promise((resolve) => {
          child.once('close', resolve);
          child.kill('SIGKILL');
        }),
    ),
  );
};

export const startProgram = ({
  program = 'example-program.ts',
  input,
  flags = [],
  environment = {},
}: StartOptions = {}): StartedProgram => {
  const { HOLDFAST_TESTS: _ours, ...inherited } = process.env;
  const child = spawn(process.execPath, [...NODE_FLAGS, path.join(__dirname, program), ...flags], {
    env: { ...inherited, ...environment },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    // A process group of its own, so that a spec can do to it what a terminal does.
    detached: true,
  });
  child.stdin?.end(input);
  running.add(child);
  const { lines, text, changed, next } = gather(child);
  let over = false;
  const ended = new Promise<number | string>((resolve) => {
    child.once('close', (status, signal) => {
      over = true;
      running.delete(child);
      changed();
      resolve(signal ?? status ?? 'nothing');
    });
  });
  return {
    pid: child.pid!,
    lines,
    text,
    ended,
    kill: (signal) => void child.kill(signal),
    interrupt: () => void process.kill(-child.pid!, 'SIGINT'),
    async line(message) {
      for (;;) {
        const found = lines.find((line) => line.message === message);
        if (found !== undefined) return found;
        if (over) throw new Error(`the program ended without "${message}": ${text()}${JSON.stringify(lines, null, 1)}`);
        await next();
      }
    },
  };
};
