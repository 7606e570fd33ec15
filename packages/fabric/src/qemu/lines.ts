import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/** Longest line taken from QEMU or a guest. */
const MAX_LINE_CHARACTERS = 1 << 20;

/** Calls `handle` with every complete line of a stream; a stream whose line never ends is cut off. */
export const onLine = (stream: Readable, handle: (line: string) => void): void => {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop()!;
    for (const line of lines) handle(line.trimEnd());
    if (rest.length > MAX_LINE_CHARACTERS) stream.destroy();
  });
};
