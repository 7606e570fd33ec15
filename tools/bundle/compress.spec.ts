import { execFileSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';
import { createCompressor } from './compress.ts';

const LARGE = 16 * 1024 * 1024;

it('gives back all parts in order, to node and to gzip, and is the same each time', async () => {
  const parts = [
    Buffer.from('before'),
    Buffer.alloc(LARGE, 'large'),
    Buffer.from('between'),
    Buffer.from('it'),
    Buffer.alloc(LARGE, 'other'),
  ];
  const compressor = createCompressor();
  const once = await compressor.compress(parts);
  expect(gunzipSync(once).equals(Buffer.concat(parts))).toBe(true);
  expect(execFileSync('gzip', ['-dc'], { input: once, maxBuffer: 4 * LARGE }).equals(Buffer.concat(parts))).toBe(true);
  expect((await compressor.compress(parts)).equals(once)).toBe(true);
  expect((await createCompressor().compress(parts)).equals(once)).toBe(true);
  // What is compressed once stands in another archive, at another place.
  const other = [Buffer.from('something else'), parts[4]!, parts[1]!];
  expect(gunzipSync(await compressor.compress(other)).equals(Buffer.concat(other))).toBe(true);
});
