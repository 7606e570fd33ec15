import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createTreeReader, type MountedTree, type TreeReader } from './mounted-tree.ts';

describe('a tree of another machine', () => {
  let directory: string;
  let reader: TreeReader;
  let tree: MountedTree;
  const at = (name: string): string => path.join(directory, 'tree', name);
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-tree-'));
    await writeFile(path.join(directory, 'passwd'), 'of this machine');
    await mkdir(at('etc'), { recursive: true });
    await writeFile(at('etc/hosts'), 'x', { mode: 0o640 });
    await symlink('/etc', at('absolute'));
    await symlink('../../../../../../../..', at('etc/up'));
    await symlink('etc', at('within'));
    await symlink('loop', at('loop'));
    reader = createTreeReader();
    tree = reader.tree(at(''));
  });
  afterAll(async () => {
    await reader.close();
    await rm(directory, { recursive: true });
  });

  it('tells where a file is, links followed as there', async () => {
    const places = {
      '/': '',
      '/etc/hosts': 'etc/hosts',
      '//within/./hosts': 'etc/hosts',
      '/absolute/hosts': 'etc/hosts',
      '/etc/up/etc/hosts': 'etc/hosts',
      '/etc/../etc/hosts': 'etc/hosts',
      // The last part is the link itself, wherever it leads; never what lies outside.
      '/absolute': 'absolute',
      '/etc/up': 'etc/up',
      '/etc/..': '',
      '/..': '',
    };
    for (const [one, place] of Object.entries(places))
      expect([one, await tree.where(one)]).toEqual([one, path.join(directory, 'tree', place)]);
    for (const one of ['/none', '/none/x', '/etc/hosts/x', '/loop/x', '/../passwd', '/etc/up/passwd'])
      expect([one, await tree.where(one)]).toEqual([one, undefined]);
  });

  it('tells what is in a directory, and of anything else that itself', async () => {
    expect(await tree.entries('/')).toMatchObject([
      { name: 'absolute', type: 'link', target: '/etc' },
      { name: 'etc', type: 'directory' },
      { name: 'loop', type: 'link' },
      { name: 'within', type: 'link', target: 'etc' },
    ]);
    expect(await tree.entries('/absolute/hosts')).toMatchObject([{ name: 'hosts', type: 'file', mode: 0o640, size: 1 }]);
    expect(await tree.entries('/absolute')).toMatchObject([{ name: 'absolute', type: 'link' }]);
    expect(await tree.entries('/none')).toBeUndefined();
  });
});
