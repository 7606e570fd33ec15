import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { endThreads } from '@holdfast/block';
import type { Piece } from './image-format.ts';
import { openImageWriter } from './image-writer.ts';
import { pageBuffers } from './page-memory.ts';

const KIB = 1024;
const HERE = 1;
const IN_A_THREAD = 2 ** 40;

describe.each([
  ['here', HERE],
  ['in a thread', IN_A_THREAD],
])('an image that is written %s', (_, diskSize) => {
  let directory: string;
  let file: FileHandle;
  beforeEach(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'holdfast-image-'));
    file = await open(path.join(directory, 'image'), 'wx+');
  });
  afterEach(async () => {
    await file.close();
    rmSync(directory, { recursive: true });
  });

  it('holds its pieces, has holes where they are zero, and is digested', async () => {
    const shared = Buffer.from(new SharedArrayBuffer(200 * KIB));
    shared.fill('shared', 0, 10);
    shared.fill('more', 150 * KIB);
    const pieces: Piece[] = [{ data: Buffer.alloc(100 * KIB, 'x') }, { hole: 3000 * KIB }, { data: shared }, { data: Buffer.from('end') }];
    const expected = Buffer.concat(pieces.map((piece) => ('hole' in piece ? Buffer.alloc(piece.hole) : piece.data)));
    const writer = openImageWriter(file.fd, diskSize);
    for (const piece of pieces) await writer.add(piece);
    const result = await writer.end();
    await writer.close();
    expect(result).toEqual({
      size: expected.length,
      // Of the shared piece the second 64 KiB are zero.
      written: expected.length - 3000 * KIB - 64 * KIB,
      sha256: createHash('sha256').update(expected).digest('hex'),
    });
    expect(expected.equals(await readFile(path.join(directory, 'image')))).toBe(true);
  });

  it('holds pieces that go past the page cache, and those between them that cannot', async () => {
    const buffers = pageBuffers(4, 300 * KIB);
    for (const [number, buffer] of buffers.entries()) buffer.fill(`piece ${number}`);
    buffers[1]!.fill(0, 64 * KIB, 128 * KIB);
    // Whole pages; with a hole; of an odd length; at an odd place.
    const pieces: Piece[] = [{ data: buffers[0]! }, { data: buffers[1]! }, { data: buffers[2]!.subarray(0, 1000) }, { data: buffers[3]! }];
    const expected = Buffer.concat(pieces.map((piece) => ('data' in piece ? piece.data : Buffer.alloc(0))));
    const writer = openImageWriter(file.fd, diskSize);
    for (const piece of pieces) await writer.add(piece);
    const { sha256, written } = await writer.end();
    await writer.close();
    expect(written).toBe(expected.length - 64 * KIB);
    expect(sha256).toBe(createHash('sha256').update(expected).digest('hex'));
    expect(expected.equals(await readFile(path.join(directory, 'image')))).toBe(true);
  });

  it('fails as writing does', async () => {
    const readOnly = await open(path.join(directory, 'image'), 'r');
    const writer = openImageWriter(readOnly.fd, diskSize);
    try {
      const written = writer.add({ data: Buffer.from('no') }).then(() => writer.end());
      await expect(written).rejects.toMatchObject({ code: 'EBADF' });
    } finally {
      await writer.close();
      await readOnly.close();
    }
  });
});

it('fails, and waits for nothing, once the thread that wrote it has ended', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-image-'));
  const file = await open(path.join(directory, 'image'), 'wx+');
  try {
    const writer = openImageWriter(file.fd, IN_A_THREAD);
    await endThreads();
    const written = writer.add({ data: Buffer.from('late') }).then(() => writer.end());
    await expect(written).rejects.toThrow(/thread that writes the image ended/);
    await writer.close();
  } finally {
    await file.close();
    rmSync(directory, { recursive: true });
  }
});
