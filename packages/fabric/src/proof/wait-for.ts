import { type FileHandle, open } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '@holdfast/errors';
import { findSilentAgent } from '@holdfast/protocol';

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
/** Of agents: a line at each of their starts. */
const LARGEST_WORDS = 64 * 1024;
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

/** Until the agent of this machine said that it is up and sends nothing; resolves to its words. Errors: TIMED_OUT. */
export const waitForAgent = async (log: string | undefined, machineId: string, waiting: Waiting): Promise<string> => {
  const what = 'agent inside';
  if (log === undefined) throw timedOut(what, 'the fabric has no port through which it could say anything');
  return until(what, waiting, async () => findSilentAgent(await readConsole(log, LARGEST_WORDS), machineId));
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

/** What makes servers speak that wait to be spoken to: nothing, a request of HTTP (others answer that they do not understand), PostgreSQL's question for TLS. */
const OPENINGS: readonly Uint8Array[] = [
  new Uint8Array(0),
  Buffer.from('GET / HTTP/1.0\r\n\r\n'),
  Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]),
];
/** Milliseconds for an answer. */
const QUIET = 1500;

/**
 * Until something in the machine says anything at a port of this host that leads there; resolves to the first line of it. A connection alone is no answer:
 * QEMU's network takes every one, whether somebody listens in the machine or not. Errors: TIMED_OUT.
 */
export const waitForTcp = (hostPort: number, waiting: Waiting): Promise<string> => {
  let attempt = 0;
  return until(`port ${hostPort}`, waiting, () => {
    attempt += 1;
    return tryTcp(hostPort, OPENINGS[(attempt - 1) % OPENINGS.length]!);
  });
};

const tryTcp = (port: number, opening: Uint8Array): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => void socket.write(opening));
    const end = (answer: string | undefined): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(QUIET, () => end(undefined));
    socket.once('data', (data) => end(printable(data.toString('latin1').split(/\r?\n/)[0]!)));
    for (const event of ['error', 'end', 'close']) socket.once(event, () => end(undefined));
  });

const printable = (text: string): string => text.replaceAll(/[^ -~]/g, '?').slice(0, 200);

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
