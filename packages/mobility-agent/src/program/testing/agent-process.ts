import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { until } from '../../sender/testing/until.ts';

type Line = Readonly<Record<string, unknown>> & { readonly message: string };

/** A real process of `holdfast-agent`. */
export interface AgentProcess {
  readonly pid: number;
  /** Its log so far. */
  readonly lines: readonly Line[];
  /** What it wrote that is no log. */
  text(): string;
  /** The first line, of those written or to come, with this message. */
  line(message: string | RegExp): Promise<Line>;
  kill(signal: NodeJS.Signals): Promise<number | string>;
  /** Exit status, or the name of the signal. */
  readonly ended: Promise<number | string>;
}

const MAIN = path.join(__dirname, '../../main.ts');
const NODE_FLAGS = ['--conditions=@holdfast/source', '--disable-warning=ExperimentalWarning'];
const running = new Set<ChildProcess>();

/** Runs it with these arguments; `input` goes to its standard input. */
export const startAgent = (flags: readonly string[], input = ''): AgentProcess => {
  const { HOLDFAST_TESTS: _ours, ...environment } = process.env;
  const child = spawn(process.execPath, [...NODE_FLAGS, MAIN, ...flags], { env: environment, stdio: ['pipe', 'pipe', 'pipe'] });
  running.add(child);
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const lines: Line[] = [];
  let text = '';
  const take = (line: string): void => {
    if (line.startsWith('{"level')) lines.push(JSON.parse(line) as Line);
    else text += `${line}\n`;
  };
  createInterface({ input: child.stdout }).on('line', take);
  createInterface({ input: child.stderr }).on('line', take);
  let over = false;
  const ended = new Promise<number | string>((resolve) => {
    child.once('close', (status, signal) => {
      over = true;
      running.delete(child);
      resolve(signal ?? status ?? 'nothing');
    });
  });
  const find = (message: string | RegExp): Line | undefined =>
    lines.find((line) => (typeof message === 'string' ? line.message === message : message.test(line.message)));
  return {
    pid: child.pid!,
    lines,
    text: () => text,
    ended,
    async line(message) {
      const all = (): unknown => [text, ...lines.map((line) => JSON.stringify(line))];
      await until(`line ${message}`, () => find(message) !== undefined || over, all);
      const found = find(message);
      if (found === undefined) throw new Error(`the agent ended without ${message}: ${JSON.stringify(all(), null, 1)}`);
      return found;
    },
    async kill(signal) {
      child.kill(signal);
      return ended;
    },
  };
};

/** Ends whatever is left; for afterEach. */
export const killAgents = async (): Promise<void> => {
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
