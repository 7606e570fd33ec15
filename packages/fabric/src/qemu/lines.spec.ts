import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { onLine } from './lines.ts';

const split = (bytes: Buffer, cuts: readonly number[]): Buffer[] => {
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  return places.slice(1).map((end, index) => bytes.subarray(places[index]!, end));
};

it('gives the same lines however the bytes are cut', () => {
  const line = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll(/[\r\n]/g, '').trimEnd());
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat()), (lines, cuts) => {
      const stream = new PassThrough();
      const seen: string[] = [];
      onLine(stream, (text) => seen.push(text));
      for (const chunk of split(Buffer.from(lines.map((text) => `${text}\r\n`).join('')), cuts)) stream.emit('data', chunk);
      expect(seen).toEqual(lines);
    }),
  );
});

it('keeps an unfinished line for itself', () => {
  const stream = new PassThrough();
  const seen: string[] = [];
  onLine(stream, (text) => seen.push(text));
  stream.emit('data', Buffer.from('whole\nhal'));
  expect(seen).toEqual(['whole']);
});

it('cuts off a line that never ends', () => {
  const stream = new PassThrough();
  onLine(stream, () => {});
  stream.emit('data', Buffer.alloc((1 << 20) + 1, 'x'));
  expect(stream.destroyed).toBe(true);
});
