import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { HoldfastError } from '@holdfast/errors';

export interface ChildEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of what it wrote to its standard error. */
  readonly words: string;
}

/** One of our own programs in a process of its own, tied to us: it ends when we do, however we end. */
export interface Child<Order> {
  readonly pid: number;
  /** Never rejects. */
  readonly ended: Promise<ChildEnd>;
  tell(order: Order): void;
  kill(): void;
}

export interface ChildOptions<Message> {
  /** The file to run. */
  readonly script: URL;
  /** Given to it as JSON, its only argument. */
  readonly settings: unknown;
  onMessage(message: Message): void;
  /** Gets the process number at once, to be recorded. */
  onStart(pid: number): void;
}

const WORDS_KEPT = 4000;

/** Starts a program of ours. It has its own process group, so that a Ctrl-C at the terminal is for us to pass on. */
export const startChild = <Message, Order>(options: ChildOptions<Message>): Child<Order> => {
  const { script, settings, onMessage, onStart } = options;
  const child: ChildProcess = spawn(process.execPath, [...process.execArgv, fileURLToPath(script), JSON.stringify(settings)], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  if (child.pid === undefined) {
    throw new HoldfastError('IO_FAILED', {
      thing: fileURLToPath(script),
      why: 'its process could not be started',
      remedy: 'free memory or processes and try again',
    });
  }
  onStart(child.pid);
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-WORDS_KEPT);
  });
  child.on('message', (message) => onMessage(message as Message));
  // An order sent to a child that is just dying fails; its end says the rest.
  child.on('error', () => undefined);
  const ended = new Promise<ChildEnd>((resolve) => {
    child.on('close', (status, signal) => resolve({ status, signal, words: words.trim() }));
  });
  return {
    pid: child.pid,
    ended,
    tell: (order) => {
      if (child.connected) child.send(order as object, () => undefined);
    },
    kill: () => void child.kill('SIGKILL'),
  };
};
