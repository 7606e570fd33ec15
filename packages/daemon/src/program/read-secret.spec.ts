import { PassThrough } from 'node:stream';
import { readSecret } from './read-secret.ts';

/** A standard input, and what was written and set meanwhile. */
const terminal = (isTTY: boolean) => {
  const modes: boolean[] = [];
  let shown = '';
  const stream = new PassThrough();
  const input = Object.assign(stream, { isTTY, setRawMode: (raw: boolean) => modes.push(raw) }) as never;
  const write = (text: string): void => {
    shown += text;
  };
  const output = { write } as never;
  const stopping = new AbortController();
  return { stream, modes, shown: () => shown, stopping, answer: readSecret(input, output, 'Token', stopping.signal) };
};

describe('a secret by a pipe', () => {
  it.each<[string, string[], string | undefined]>([
    ['one line', ['secret\n'], 'secret'],
    ['in pieces, with more behind it', ['se', 'cret\r\nother\n'], 'secret'],
    ['without a line break', ['secret'], 'secret'],
    ['nothing', [], undefined],
    ['an empty line', ['\n'], undefined],
  ])('%s', async (_what, chunks, expected) => {
    const { stream, answer, shown, modes } = terminal(false);
    for (const chunk of chunks) stream.write(chunk);
    stream.end();
    expect(await answer).toBe(expected);
    expect([shown(), modes]).toEqual(['', []]);
  });

  it('is bounded', async () => {
    const { stream, answer } = terminal(false);
    stream.write('x'.repeat(5000));
    await expect(answer).rejects.toMatchObject({ code: 'SETTING_INVALID' });
  });

  it('is not waited for after the stop', async () => {
    const { stopping, answer } = terminal(false);
    stopping.abort(new Error('stop'));
    await expect(answer).rejects.toThrow('stop');
  });
});

describe('a secret by a terminal', () => {
  it('is asked for and never shown; keys can be taken back', async () => {
    const { stream, answer, shown, modes } = terminal(true);
    stream.write('secx');
    stream.write('\u007fret\r');
    expect(await answer).toBe('secret');
    expect(shown()).toBe('Token: \n');
    expect(modes).toEqual([true, false]);
  });

  it('can be refused by Ctrl-C, and the terminal is left as it was', async () => {
    const { stream, answer, modes } = terminal(true);
    stream.write('sec\u0003');
    await expect(answer).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(modes).toEqual([true, false]);
  });
});
