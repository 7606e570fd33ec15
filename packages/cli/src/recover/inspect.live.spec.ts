import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { openStore } from '@holdfast/object-store';
import { createVault } from '@holdfast/vault';
import { fillFromImages } from '../testing/image-vault.ts';
import { runCommand } from '../testing/start-command.ts';

const run = promisify(execFile);
const KEY = { kind: 'key-file', secret: Buffer.alloc(32, 7) } as const;

describe.unless(lacks('root', 'nbdfuse', 'losetup', 'mkfs.ext4'), 'holdfast recover inspect', () => {
  let directory: string;
  const at = (name: string): string => path.join(directory, name);

  const inspectVaultOf = async (files: Readonly<Record<string, string>>) => {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(path.dirname(at(`root${name}`)), { recursive: true });
      await writeFile(at(`root${name}`), content);
    }
    await writeFile(at('disk.img'), '');
    await truncate(at('disk.img'), 32 * 1024 * 1024);
    await run('mkfs.ext4', ['-q', '-U', '11111111-2222-3333-4444-555555555555', '-d', at('root'), at('disk.img')]);
    const store = await openStore(`file:${at('vault')}`);
    await createVault(store, { name: 'office', keys: [KEY] });
    await fillFromImages(store, KEY, new Map([['sda', await readFile(at('disk.img'))]]));
    await store.close();
    const args = ['recover', 'inspect', '--vault', `file:${at('vault')}`, '--key-file', at('key'), '--output', 'json'];
    return runCommand(args, { HOLDFAST_MOUNT_DIRECTORY: at('scratch') });
  };

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-inspect-'));
    await writeFile(at('key'), `holdfast-key-1:${'07'.repeat(32)}:${createHash('sha256').update(KEY.secret).digest('hex').slice(0, 8)}\n`);
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('tells what a point needs on other hardware, ends with status 1 over trouble, and leaves nothing', async () => {
    const { status, stdout, stderr } = await inspectVaultOf({
      '/etc/os-release': 'PRETTY_NAME="Tiny"\n',
      '/etc/fstab': '/dev/sda / ext4 defaults 0 1\n',
      '/boot/extlinux.conf': 'APPEND root=/dev/sdq ro\n',
    });
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
    const { system, items, files } = JSON.parse(stdout);
    expect(system).toBe('Tiny');
    expect(items).toContainEqual(
      expect.objectContaining({ kind: 'change', change: '/dev/sda -> UUID=11111111-2222-3333-4444-555555555555' }),
    );
    expect(items).toContainEqual(expect.objectContaining({ kind: 'trouble', finding: 'kernels are started with root=/dev/sdq' }));
    expect(files).toEqual(expect.arrayContaining([{ file: '/etc/fstab', removed: false }]));
    expect(await readdir(at('scratch'))).toEqual([]);
  });
});
