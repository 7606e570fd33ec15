import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFolderStore } from './folder-store.ts';

describe.unless(lacks('root'), 'folder store on a full file system', () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'holdfast-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', root]);
  });
  afterAll(async () => {
    execFileSync('umount', [root]);
    await rm(root, { recursive: true });
  });

  it('says that there is no space, keeps no part, and goes on when there is room', async () => {
    const store = createFolderStore(root);
    await store.create('small', Buffer.alloc(300_000, 1));
    await expect(store.create('large', Buffer.alloc(900_000, 2))).rejects.toMatchObject({ code: 'NO_SPACE', retryable: true });
    await expect(store.stat('large')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    await store.delete('small');
    await store.create('large', Buffer.alloc(900_000, 2));
    expect((await store.read('large')).length).toBe(900_000);
  });
});
