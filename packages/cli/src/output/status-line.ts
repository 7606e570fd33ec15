import type { OutputStream } from '../surroundings.ts';

/** Tells how something goes on, in one line that changes. */
export interface StatusLine {
  /** A line that stays. */
  line(text: string): void;
  /** The line that changes: redrawn in place on a terminal, elsewhere a line of its own every ten seconds at most. */
  status(text: string): void;
  /** Ends the changing line; it stays as it is. */
  end(): void;
}

/** Of a terminal that does not tell. */
const USUAL_COLUMNS = 80;
const NARROWEST = 20;
const PLAIN_EVERY = 10_000;
const CLEAR_LINE = '\r\u001b[2K';

/** `now` in milliseconds. */
export const createStatusLine = (stream: OutputStream, now: () => number = () => performance.now()): StatusLine => {
  let open = false;
  let plain = Number.NEGATIVE_INFINITY;
  return {
    line: (text) => {
      stream.write(`${open ? CLEAR_LINE : ''}${text}\n`);
      open = false;
    },
    status: (text) => {
      if (stream.isTTY) {
        stream.write(CLEAR_LINE + text.slice(0, Math.max(NARROWEST, (stream.columns || USUAL_COLUMNS) - 1)));
        open = true;
      } else if (now() - plain >= PLAIN_EVERY) {
        plain = now();
        stream.write(`${text}\n`);
      }
    },
    end: () => {
      if (open) stream.write('\n');
      open = false;
    },
  };
};
