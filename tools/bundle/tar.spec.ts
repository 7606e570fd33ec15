import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { ARCHIVE_TIME, type ArchiveFile, tarOf } from './tar.ts';

const run = promisify(execFile);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-tar-'));
});
afterEach(() => rm(directory, { recursive: true }));

const unpack = async (archive: Buffer): Promise<void> => {
  await writeFile(path.join(directory, 'a.tar'), archive);
  await run('tar', ['xf', 'a.tar'], { cwd: directory });
};

describe('an archive', () => {
  it('is what tar finds in it', async () => {
    const deep = `${'directory/'.repeat(14)}${'x'.repeat(90)}`;
    const files: ArchiveFile[] = [
      { path: 'b/run', content: Buffer.from('#!/bin/sh\n'), executable: true },
      { path: 'a', content: Buffer.alloc(512, 1) },
      { path: 'b/empty', content: Buffer.alloc(0) },
      { path: deep, content: Buffer.alloc(513, 2) },
    ];
    await unpack(Buffer.concat(tarOf(files)));
    for (const { path: name, content, executable = false } of files) {
      const file = path.join(directory, name);
      expect((await readFile(file)).equals(content)).toBe(true);
      const { mode, mtimeMs } = await stat(file);
      expect({ mode: mode & 0o777, mtime: mtimeMs / 1000 }).toEqual({ mode: executable ? 0o755 : 0o644, mtime: ARCHIVE_TIME });
    }
    expect((await readdir(directory)).sort()).toEqual(['a', 'a.tar', 'b', 'directory']);
    const { stdout } = await run('tar', ['tvf', 'a.tar'], { cwd: directory });
    expect(stdout.split('\n').filter((line) => line !== '')).toHaveLength(4 + 1 + 14);
    expect(stdout).toMatch(/^-rwxr-xr-x root\/root +10 .* b\/run$/m);
  });

  it('has the same bytes in whatever order its files come', () => {
    const paths = fc.uniqueArray(fc.constantFrom('a', 'b/a', 'b/b', 'c/d/e', 'z'), { minLength: 1 });
    fc.assert(
      fc.property(paths, fc.infiniteStream(fc.nat()), (names, order) => {
        const files = names.map((name) => ({ path: name, content: Buffer.from(name) }));
        const shuffled = files.map((file) => ({ file, at: order.next().value! })).sort((a, b) => a.at - b.at);
        const [one, other] = [shuffled.map(({ file }) => file), files].map((list) => Buffer.concat(tarOf(list)));
        expect(one!.equals(other!)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('refuses a path it cannot hold', () => {
    expect(() => tarOf([{ path: 'x'.repeat(101), content: Buffer.alloc(0) }])).toThrow('too long');
    expect(() => tarOf([{ path: `${'d/'.repeat(100)}${'x'.repeat(60)}`, content: Buffer.alloc(0) }])).toThrow('too long');
  });
});
