import { type FileHandle, open } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '@holdfast/errors';

export interface Waiting {
  /** Milliseconds. */
  readonly patience: number;
  readonly signal: AbortSignal;
  /** Why there is nothing to wait for any more: a machine that is off. Asked now and then. */
  readonly hopeless: () => Promise<string | undefined>;
}

const PERIOD = 250;
/** Bytes of a console that are looked at: what starts a machine is not longer. */
const LARGEST = 16 * 1024 * 1024;
/** Terminals are told colours and places in between. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what they are.
const ESCAPES = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|[()][0-9A-Za-z]|[=>78cDEHM])/g;

const timedOut = (what: string, why: string): HoldfastError =>
  new HoldfastError('TIMED_OUT', { thing: what, why, remedy: 'look at the console and the screenshot of the proof; give it more time' });

/** Until the pattern is in what the console printed; resolves to the line. Errors: TIMED_OUT. */
export const waitForConsole = async (log: string, pattern: RegExp, waiting: Waiting): Promise<string> => {
  const what = `console: ${pattern.source}`;
  const found = await until(what, waiting, async () => {
    const match = pattern.exec(await readConsole(log, LARGEST));
    return match === null ? undefined : match[0];
  });
  return found.trim().slice(0, 300);
};

/** The end of what the console printed, without what a terminal would take for a command. */
export const readConsole = async (log: string, most: number): Promise<string> => {
  let handle: FileHandle | undefined;
  try {
    handle = await open(log, 'r');
    const { size } = await handle.stat();
    const length = Math.min(size, most);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8', 0, bytesRead).replaceAll(ESCAPES, '').replaceAll('\r', '');
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw reason;
  } finally {
    await handle?.close();
  }
};

/**
 * Until something in the machine answers at a port of this host that leads there; resolves to the first line it says within a second, perhaps none. QEMU's
 * network takes every connection and ends it at once where nobody listens, so one that ends unasked is no answer. Errors: TIMED_OUT.
 */
export const waitForTcp = (hostPort: number, waiting: Waiting): Promise<string> =>
  until(`port ${hostPort}`, waiting, () => tryTcp(hostPort));

const QUIET = 1000;

const tryTcp = (port: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const end = (answer: string | undefined): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(QUIET, () => end(socket.readyState === 'open' ? '' : undefined));
    socket.once('data', (data) => end(data.toString('utf8').split(/\r?\n/)[0]!.slice(0, 200)));
    socket.once('error', () => end(undefined));
    socket.once('end', () => end(undefined));
    socket.once('close', () => end(undefined));
  });

const until = async <T>(what: string, { patience, signal, hopeless }: Waiting, look: () => Promise<T | undefined>): Promise<T> => {
  for (const end = performance.now() + patience; ; ) {
    const found = await look();
    if (found !== undefined) return found;
    signal.throwIfAborted();
    const why = await hopeless();
    if (why !== undefined) throw timedOut(what, why);
    if (performance.now() >= end) throw timedOut(what, `nothing within ${Math.round(patience / 1000)} s`);
    await sleep(PERIOD, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
};
