import { setTimeout as wait } from 'node:timers/promises';
import { parseDuration } from '@holdfast/daemon';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { Option } from 'commander';
import { type Answer, type OutputOptions, renderAnswer } from '../output/answer.ts';
import { createStatusLine } from '../output/status-line.ts';
import type { Surroundings } from '../surroundings.ts';

export interface WatchOptions {
  /** Milliseconds between two looks. */
  readonly watch?: number;
}

const USUAL = 2000;
const SHORTEST = 100;
/** Cursor home, and erase from there to the end (ECMA-48). */
const CLEAR_SCREEN = '\u001b[H\u001b[J';

export const watchOption = (): Option =>
  new Option('-w, --watch [interval]', 'look again and again (2s), and write what has changed; Ctrl-C ends it')
    .preset(USUAL)
    .argParser(parseInterval);

const parseInterval = (text: string | number): number => {
  if (typeof text === 'number') return text;
  let interval: number | undefined;
  try {
    interval = parseDuration(text);
  } catch {
    // Told below, like one that is too short.
  }
  if (interval !== undefined && interval >= SHORTEST) return interval;
  throw new HoldfastError('SETTING_INVALID', {
    thing: `--watch ${text}`,
    why: 'it is no interval of at least 100ms',
    remedy: 'give one like 2s or 1 min',
  });
};

/**
 * Asks again and again until the command is to end, and writes every answer that differs from the one before: on a terminal in place of it,
 * elsewhere below it (JSON as one line each, YAML as documents). A server that is away for a while is waited for.
 */
export const watchAnswer = async (
  surroundings: Surroundings,
  options: OutputOptions,
  interval: number,
  ask: () => Promise<Answer>,
): Promise<void> => {
  const { stdout, stderr, stop } = surroundings;
  const status = createStatusLine(stderr);
  let before: string | undefined;
  while (!stop.aborted)
    try {
      const answer = await ask();
      const text = renderAnswer(surroundings, options, answer);
      if (text !== before) stdout.write(renewed(text, answer, options, { isTTY: stdout.isTTY === true, first: before === undefined }));
      before = text;
      await wait(interval, undefined, { signal: stop });
    } catch (reason) {
      if (stop.aborted) return;
      if (before === undefined || !isHoldfastError(reason) || !reason.retryable) throw reason;
      status.status(reason.message);
      await wait(interval, undefined, { signal: stop }).catch(() => {});
    }
};

const renewed = (
  text: string,
  { data }: Answer,
  { output }: OutputOptions,
  { isTTY, first }: { readonly isTTY: boolean; readonly first: boolean },
): string => {
  if (output === 'json') return `${JSON.stringify(data)}\n`;
  if (output === 'yaml') return `---\n${text}`;
  if (isTTY) return CLEAR_SCREEN + text;
  return first ? text : `\n${text}`;
};
