import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import files, { mkdir, mkdtemp, readdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describeObjectStore } from './conformance/index.ts';
import { createFolderStore } from './folder-store.ts';
import type { ObjectStore } from './object-store.ts';
import { openStore } from './open-store.ts';

const roots: string[] = [];
const newRoot = async (): Promise<string> => {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-store-'));
  roots.push(root);
  return root;
};
afterAll(() => Promise.all(roots.map((root) => rm(root, { recursive: true, force: true }))));
const rootOf = (store: ObjectStore): string => store.url.slice('file:'.length);

describeObjectStore('folder store', {
  open: async () => createFolderStore(join(await newRoot(), 'made', 'as', 'needed')),
  reopen: async (store) => createFolderStore(rootOf(store)),
});

describe('folder store', () => {
  it('lets one process win each of 250 objects that four processes race for, and never shows a part of one', async () => {
    const root = await newRoot();
    const store = createFolderStore(root);
    const [count, size] = [250, 50_000];
    const racers = [1, 2, 3, 4].map((racer) => startRacer(root, racer, count, size));
    const reports = racers.map(({ lines }) => lines);
    for (const lines of reports) expect((await lines.next()).value).toBe('ready');
    for (const { child } of racers) child.stdin!.write('go\n');

    let racing = true;
    const results = Promise.all(reports.map(async (lines) => JSON.parse((await lines.next()).value as string) as number[]));
    const watching = (async () => {
      let seen = 0;
      while (racing)
        for await (const { name, size: listed } of store.list('race/')) {
          expect(listed).toBe(size);
          const content = await store.read(name);
          expect(Buffer.compare(content, Buffer.alloc(size, content[0]))).toBe(0);
          seen += 1;
        }
      return seen;
    })();
    const wins = await results;
    racing = false;
    expect(await watching).toBeGreaterThan(0);
    expect(wins.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index));
    for (const [racer, won] of wins.entries())
      for (const index of won) expect((await store.read(`race/${index}`, { offset: 0, length: 1 }))[0]).toBe(racer + 1);
    await Promise.all(racers.map(({ child }) => child.exitCode ?? once(child, 'exit')));
  });

  it('leaves nothing beside the objects, and does not list what a killed writer left; old leftovers go', async () => {
    const root = await newRoot();
    const incoming = join(root, '.incoming');
    await mkdir(incoming);
    const yesterday = new Date(Date.now() - 25 * 3600 * 1000);
    for (const name of ['old', 'new']) await writeFile(join(incoming, name), 'part');
    await utimes(join(incoming, 'old'), yesterday, yesterday);

    const store = createFolderStore(root);
    await store.create('a/b', Buffer.from('x'));
    await expect(store.create('a/b', Buffer.from('y'))).rejects.toMatchObject({ code: 'OBJECT_EXISTS' });
    expect(await readdir(incoming)).toEqual(['new']);
    const names: string[] = [];
    for await (const { name } of store.list('')) names.push(name);
    expect(names).toEqual(['a/b']);
  });

  it('does not make its folder again when that was taken away, as by unmounting it', async () => {
    const root = await newRoot();
    const store = createFolderStore(root);
    await store.create('a/b', Buffer.from('x'));
    await rename(root, `${root}-away`);
    const gone = { code: 'STORE_UNAVAILABLE', retryable: true, why: 'its folder is gone' };
    await mkdir(root);
    for (const name of ['a/c', 'b/c', 'c']) await expect(store.create(name, Buffer.from('y'))).rejects.toMatchObject(gone);
    await rm(root, { recursive: true });
    for (const name of ['a/c', 'b/c', 'c']) await expect(store.create(name, Buffer.from('y'))).rejects.toMatchObject(gone);
    await rename(`${root}-away`, root);
    await store.create('a/c', Buffer.from('y'));
    expect(Buffer.from(await store.read('a/b')).toString()).toBe('x');
  });

  it.each(['is gone', 'is empty'])('tells of no object that it is missing while its folder %s', async (how) => {
    const root = await newRoot();
    const other = createFolderStore(root);
    await other.create('a/b', Buffer.from('x'));
    const store = createFolderStore(root);
    await expect(store.read('a/none')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    await rename(root, `${root}-away`);
    if (how === 'is empty') await mkdir(root);
    const listed = async (prefix: string): Promise<string[]> => {
      const names: string[] = [];
      for await (const { name } of store.list(prefix)) names.push(name);
      return names;
    };
    const gone = { code: 'STORE_UNAVAILABLE', retryable: true, why: 'its folder is gone' };
    for (const ask of [
      () => store.read('a/b'),
      () => store.read('a/b', { offset: 1, length: 1 }),
      () => store.stat('a/b'),
      () => store.delete('a/b'),
      () => listed(''),
      () => listed('a/'),
    ])
      await expect(ask()).rejects.toMatchObject(gone);
    if (how === 'is empty') await rm(root, { recursive: true });
    await rename(`${root}-away`, root);
    expect(await listed('')).toEqual(['a/b']);
    await expect(store.stat('a/none')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    await store.delete('a/none');
  });

  it('reads copies of its folder that lack what is hidden there', async () => {
    const root = await newRoot();
    await createFolderStore(root).create('a', Buffer.from('x'));
    await rm(join(root, '.incoming'), { recursive: true });
    const copy = createFolderStore(root);
    expect(Buffer.from(await copy.read('a')).toString()).toBe('x');
    await expect(copy.read('b')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
  });

  it('knows its own object where the answer to making its name was lost and NFS asked again', async () => {
    const really = files.link;
    const link = jest.spyOn(files, 'link').mockImplementation(async (from, to) => {
      await really(from, to);
      throw Object.assign(new Error('EEXIST: file already exists, link'), { code: 'EEXIST', syscall: 'link' });
    });
    try {
      const store = createFolderStore(await newRoot());
      await store.create('a', Buffer.from('x'));
      await expect(store.create('a', Buffer.from('x'))).rejects.toMatchObject({ code: 'OBJECT_EXISTS' });
      expect(await readdir(join(rootOf(store), '.incoming'))).toEqual([]);
    } finally {
      link.mockRestore();
    }
  });

  it("does not take another's object for its own where numbers of files are larger than a number of JavaScript tells apart", async () => {
    const numbers = new Map<string, bigint>();
    const really = files.lstat;
    // As SMB and Lustre number files: those that are made one after the other differ in the last bits of 64.
    const lstat = jest.spyOn(files, 'lstat').mockImplementation((async (path: string, options?: { readonly bigint?: boolean }) => {
      const status = await really(path, { bigint: true });
      const ino = numbers.get(path) ?? 2n ** 60n + BigInt(numbers.size);
      numbers.set(path, ino);
      if (options?.bigint === true) return Object.assign(status, { ino });
      return Object.assign(await really(path), { ino: Number(ino) });
    }) as typeof files.lstat);
    try {
      const root = await newRoot();
      await createFolderStore(root).create('a', Buffer.from('x'));
      await expect(createFolderStore(root).create('a', Buffer.from('y'))).rejects.toMatchObject({ code: 'OBJECT_EXISTS' });
    } finally {
      lstat.mockRestore();
    }
  });

  it('refuses a file system without hard links by name', async () => {
    const link = jest
      .spyOn(files, 'link')
      .mockRejectedValue(Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM', syscall: 'link' }));
    try {
      const root = await newRoot();
      await expect(createFolderStore(root).create('a', Buffer.from('x'))).rejects.toMatchObject({
        code: 'UNSUPPORTED_OPERATION',
        why: expect.stringContaining('no hard links'),
      });
      expect(await readdir(join(root, '.incoming'))).toEqual([]);
    } finally {
      link.mockRestore();
    }
  });

  it('lists files and folders only', async () => {
    const root = await newRoot();
    await writeFile(join(root, 'object'), 'x');
    await symlink('/etc', join(root, 'link'));
    const names: string[] = [];
    for await (const { name } of createFolderStore(root).list('')) names.push(name);
    expect(names).toEqual(['object']);
  });

  it('is opened by URL', async () => {
    const root = await newRoot();
    for (const url of [`file:${root}`, `file://${root}`]) expect((await openStore(url)).url).toBe(`file:${root}`);
    for (const url of ['file:relative', 'file://host/share', 'ftp:/x', ''])
      await expect(openStore(url)).rejects.toMatchObject({ code: 'SETTING_INVALID' });
  });
});

const startRacer = (root: string, racer: number, count: number, size: number): { child: ChildProcess; lines: AsyncIterator<string> } => {
  const child = spawn(
    process.execPath,
    ['--conditions=@holdfast/source', join(__dirname, 'race-worker.ts'), root, String(racer), String(count), String(size)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  return { child, lines: createInterface({ input: child.stdout! })[Symbol.asyncIterator]() };
};
