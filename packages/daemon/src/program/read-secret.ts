import type { ReadStream, WriteStream } from 'node:tty';
import { HoldfastError } from '@holdfast/errors';

/** Characters of a secret. */
const LONGEST = 4096;

const tooLong = (): HoldfastError =>
  new HoldfastError('SETTING_INVALID', {
    thing: 'standard input',
    why: `its first line is longer than ${LONGEST} characters`,
    remedy: 'give one line with the secret',
  });

const ENTER = /[\r\n]/;
const INTERRUPT = '\u0003';
const END = '\u0004';
const ERASE = /[\b\u007f]/;

/** What a terminal in raw mode sent, as the line that a person meant; `over` once the line is complete. */
const takeKeys = (line: string, keys: string): { readonly line: string; readonly over: boolean } => {
  let taken = line;
  for (const key of keys) {
    if (key === INTERRUPT) throw new HoldfastError('INTERRUPTED', { thing: 'question', why: 'Ctrl-C', remedy: 'run it again' });
    if (ENTER.test(key) || key === END) return { line: taken, over: true };
    taken = ERASE.test(key) ? taken.slice(0, -1) : taken + key;
  }
  return { line: taken, over: false };
};

/**
 * Reads one line. A terminal is asked by `prompt` and shows nothing of what is typed; anything else is read up to its first line break.
 * Undefined when nothing comes. Rejects with SETTING_INVALID for a line of more than 4096 characters, and with the signal's reason.
 */
export const readSecret = async (
  input: Pick<ReadStream, 'isTTY' | 'setRawMode' | 'setEncoding' | 'pause'> & AsyncIterable<unknown>,
  output: Pick<WriteStream, 'write'>,
  prompt: string,
  stopping: AbortSignal,
): Promise<string | undefined> => {
  const terminal = input.isTTY === true;
  if (terminal) {
    // Before the question: what is typed at once must not be shown either.
    input.setRawMode(true);
    output.write(`${prompt}: `);
  }
  input.setEncoding('utf8');
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => undefined);
  const abort = (): void => aborted.reject(stopping.reason);
  if (stopping.aborted) abort();
  else stopping.addEventListener('abort', abort, { once: true });
  const chunks = input[Symbol.asyncIterator]();
  let line = '';
  try {
    for (let over = false; !over; ) {
      const { value, done } = await Promise.race([chunks.next(), aborted.promise]);
      if (done === true) break;
      ({ line, over } = terminal ? takeKeys(line, String(value)) : takeText(line, String(value)));
      if (line.length > LONGEST) throw tooLong();
    }
  } finally {
    stopping.removeEventListener('abort', abort);
    if (terminal) {
      input.setRawMode(false);
      output.write('\n');
    }
    input.pause();
  }
  return line === '' ? undefined : line;
};

const takeText = (line: string, text: string): { readonly line: string; readonly over: boolean } => {
  const end = text.search(ENTER);
  return { line: line + (end < 0 ? text : text.slice(0, end)), over: end >= 0 };
};
