/** Where the lab writes to: a terminal, or a pipe or file that gets plain lines. */
export interface ScreenStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface Screen {
  /** A line that stays. */
  line(text?: string): void;
  /**
   * The line that changes: redrawn in place on a terminal. Elsewhere it is written as a line of its own, but at most once in ten seconds
   * per `topic`, so that a log stays readable.
   */
  status(topic: string, text: string): void;
  /** Ends the changing line; it stays as it is. */
  settle(): void;
}

/** Of a terminal that does not tell. */
const USUAL_COLUMNS = 100;
const PLAIN_EVERY_MS = 10_000;
const CLEAR_LINE = '\r\u001b[2K';

export const createScreen = (stream: ScreenStream, now: () => number = () => performance.now()): Screen => {
  const told = new Map<string, number>();
  let live = false;
  const settle = (): void => {
    if (live) stream.write('\n');
    live = false;
  };
  return {
    line: (text = '') => {
      settle();
      stream.write(`${text}\n`);
    },
    status: (topic, text) => {
      if (stream.isTTY === true) {
        stream.write(CLEAR_LINE + text.slice(0, Math.max(20, (stream.columns || USUAL_COLUMNS) - 1)));
        live = true;
        return;
      }
      const last = told.get(topic);
      if (last !== undefined && now() - last < PLAIN_EVERY_MS) return;
      told.set(topic, now());
      stream.write(`${text}\n`);
    },
    settle,
  };
};
