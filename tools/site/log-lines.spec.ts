import { createLineReader, type LogLine, wordsOf } from './log-lines.ts';

describe('lines of a log', () => {
  it('are found in whatever portions they come, and nothing else is', () => {
    const lines: LogLine[] = [];
    const read = createLineReader((line) => lines.push(line));
    const text =
      '{"level":"info","message":"ä"}\nno json\n{"level":"info"}\n\nnull\n{"level":"warn","message":"b","error":{"message":"[X] y"}}\n{"level"';
    for (const character of text) read(character);
    expect(lines.map(wordsOf)).toEqual(['ä', 'b: [X] y']);
    read(':"info","message":"c"}\n');
    expect(lines.map(wordsOf)).toEqual(['ä', 'b: [X] y', 'c']);
  });
});
