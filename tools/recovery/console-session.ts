import type { Duplex } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';

/** Somebody at a serial console. */
export interface ConsoleSession extends AsyncDisposable {
  /** All that came so far. */
  readonly text: string;
  type(keys: string): void;
  /** Resolves with what matched, in what comes from now on. */
  expect(pattern: RegExp, milliseconds: number): Promise<RegExpExecArray>;
  /** Logs in as root. */
  logIn(password: string, milliseconds: number): Promise<void>;
  /** Runs a line of shell; resolves with what it printed and its status. */
  run(line: string, milliseconds: number): Promise<{ readonly output: string; readonly status: number }>;
}

const ASK_AGAIN_MILLISECONDS = 10_000;

export const openSession = (stream: Duplex): ConsoleSession => {
  let text = '';
  let seen = 0;
  let count = 0;
  const waiting = new Set<() => void>();
  stream.on('data', (chunk: Buffer) => {
    text += stripVTControlCharacters(chunk.toString('latin1')).replaceAll('\r', '');
    for (const look of waiting) look();
  });
  const type = (keys: string): void => void stream.write(keys);
  const expect = (pattern: RegExp, milliseconds: number): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        waiting.delete(look);
        stream.off('close', closed);
      };
      const look = (): void => {
        const found = pattern.exec(text.slice(seen));
        if (found === null) return;
        seen += found.index + found[0].length;
        end();
        resolve(found);
      };
      const fail = (why: string): void => {
        end();
        reject(new Error(`${why} before ${pattern}; the console ends with\n${text.slice(-2000)}`));
      };
      const closed = (): void => fail('it was closed');
      const timer = setTimeout(() => fail(`${milliseconds} ms went by`), milliseconds);
      waiting.add(look);
      stream.on('close', closed);
      look();
    });
  /** A prompt that was printed before we came, or behind which the system said something else, is asked for again. */
  const prompt = async (pattern: RegExp, milliseconds: number): Promise<void> => {
    for (const end = performance.now() + milliseconds; ; type('\n')) {
      try {
        await expect(pattern, Math.min(ASK_AGAIN_MILLISECONDS, end - performance.now()));
        return;
      } catch (reason) {
        if (stream.destroyed || performance.now() >= end) throw reason;
      }
    }
  };
  return {
    get text() {
      return text;
    },
    type,
    expect,
    logIn: async (password, milliseconds) => {
      type('\n');
      await prompt(/login: $/, milliseconds);
      type('root\n');
      await expect(/Password: /, milliseconds);
      type(`${password}\n`);
      await prompt(/# $/, milliseconds);
    },
    run: async (line, milliseconds) => {
      count += 1;
      // Put together by the shell: the echo of the line itself must not look like its beginning or end.
      type(`echo "BEGIN""${count}"; ${line}; echo "END""${count}:$?"\n`);
      const [, output, status] = await expect(new RegExp(`BEGIN${count}\\n([\\s\\S]*?)END${count}:(\\d+)\\n`), milliseconds);
      return { output: output!, status: Number(status) };
    },
    [Symbol.asyncDispose]: async () => {
      stream.destroy();
    },
  };
};
