/** One line of a program's log, as docs/operations.md describes it. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

const parse = (text: string): LogLine | undefined => {
  try {
    const line = JSON.parse(text) as Partial<LogLine> | null;
    return typeof line?.message === 'string' && typeof line.level === 'string' ? (line as LogLine) : undefined;
  } catch {
    return undefined;
  }
};

/** Cuts what a program writes into lines; what is no line of a log is left out. Bytes come in any portions. */
export const createLineReader = (onLine: (line: LogLine) => void): ((text: string) => void) => {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const one of lines) {
      const line = parse(one);
      if (line !== undefined) onLine(line);
    }
  };
};

/** The words of a line's error: `[CODE] thing: why; remedy`. */
export const wordsOf = ({ message, error }: LogLine): string => {
  const words = (error as { readonly message?: unknown } | undefined)?.message;
  return typeof words === 'string' ? `${message}: ${words}` : message;
};
