import { existsSync, readFileSync } from 'node:fs';

/** Finds what programs write down that only a defect of theirs explains: each line once. */
export interface LogDefects {
  take(): readonly string[];
}

const DEFECT = /"code":"INTERNAL"|\b(?:Type|Range|Reference|Syntax)Error\b|UnhandledPromise|a defect/;
const MOST_WORDS = 500;

/** A log that is only ever appended to. */
export interface WatchedLog {
  readonly file: string;
  /** "host:port" of the one way its program has to the configuration server: by another one it would pass by what the campaign cuts. */
  readonly way?: string;
}

const CONNECTED = /"server":"configuration server ([^"]+)".*"message":"The configuration server is connected"/;

export const createLogDefects = (logs: readonly WatchedLog[]): LogDefects => {
  const read = new Map<string, number>();
  return {
    take() {
      const found: string[] = [];
      for (const { file, way } of logs) {
        if (!existsSync(file)) continue;
        const whole = readFileSync(file);
        const from = read.get(file) ?? 0;
        // A line that is being written is read the next time.
        const to = whole.lastIndexOf(0x0a) + 1;
        read.set(file, Math.max(from, to));
        for (const line of whole.subarray(from, to).toString('utf8').split('\n')) {
          const [, reached] = CONNECTED.exec(line) ?? [];
          if (DEFECT.test(line) || (way !== undefined && reached !== undefined && reached !== way))
            found.push(`${file}: ${line.slice(0, MOST_WORDS)}`);
        }
      }
      return found;
    },
  };
};
