import { existsSync, readFileSync } from 'node:fs';

/** Finds what programs write down that only a defect of theirs explains: each line once. */
export interface LogDefects {
  take(): readonly string[];
}

const DEFECT = /"code":"INTERNAL"|\b(?:Type|Range|Reference|Syntax)Error\b|UnhandledPromise|a defect/;
const MOST_WORDS = 500;

/** `files`: logs that are only ever appended to. */
export const createLogDefects = (files: readonly string[]): LogDefects => {
  const read = new Map<string, number>();
  return {
    take() {
      const found: string[] = [];
      for (const file of files) {
        if (!existsSync(file)) continue;
        const whole = readFileSync(file);
        const from = read.get(file) ?? 0;
        // A line that is being written is read the next time.
        const to = whole.lastIndexOf(0x0a) + 1;
        read.set(file, Math.max(from, to));
        for (const line of whole.subarray(from, to).toString('utf8').split('\n'))
          if (DEFECT.test(line)) found.push(`${file}: ${line.slice(0, MOST_WORDS)}`);
      }
      return found;
    },
  };
};
