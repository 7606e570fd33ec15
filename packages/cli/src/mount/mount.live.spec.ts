import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { kernelMounts, loopsBelow } from '@holdfast/fabric';
import { openStore } from '@holdfast/object-store';
import { createVault } from '@holdfast/vault';
import { fillFromImages } from '../testing/image-vault.ts';
import { runCommand, startCommand } from '../testing/start-command.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;
const KEY = { kind: 'key-file', secret: Buffer.alloc(32, 7) } as const;

describe.unless(lacks('root', 'nbdfuse', 'losetup', 'mkfs.ext4', 'mkfs.vfat', 'sfdisk'), 'mounting a point', () => {
  let directory: string;
  let vault: string[];
  let environment: Record<string, string>;
  let digests: string;
  const at = (name: string): string => path.join(directory, name);

  /** A disk with an ext4 whose journal was not written back, a FAT, and a swap space; copied while it was in use. */
  const makeImage = async (): Promise<Buffer> => {
    const image = at('disk.img');
    await writeFile(image, '');
    await truncate(image, 48 * MIB);
    const table = run('sfdisk', ['--quiet', image]);
    table.child.stdin!.end(
      'label: dos\nstart=2048, size=49152, type=83\nstart=51200, size=16384, type=c\nstart=67584, size=16384, type=82\n',
    );
    await table;
    const { stdout } = await run('losetup', ['--find', '--show', '--offset', String(2048 * 512), '--sizelimit', String(24 * MIB), image]);
    const loop = stdout.trim();
    const mounted = at('source');
    try {
      await run('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', loop]);
      await mkdir(mounted);
      await run('mount', [loop, mounted]);
      try {
        await mkdir(path.join(mounted, 'etc'));
        await writeFile(path.join(mounted, 'etc/hosts'), '127.0.0.1 localhost\n', { mode: 0o640 });
        await writeFile(path.join(mounted, 'data'), Buffer.alloc(3 * MIB, 'holdfast'));
        await symlink('/etc', path.join(mounted, 'outside'));
        await symlink('etc', path.join(mounted, 'inside'));
        // What is there is in the journal only: the copy is of a disk whose machine lost power.
        await run('sync', ['-f', path.join(mounted, 'data')]);
        await writeFile(path.join(mounted, 'late'), 'in the journal\n');
        await run('sync', [path.join(mounted, 'late')]);
        await run('sync', [loop]);
        return await readFile(image);
      } finally {
        await run('umount', [mounted]);
      }
    } finally {
      await run('losetup', ['--detach', loop]);
    }
  };

  const vaultDigests = async (): Promise<string> => {
    const hash = createHash('sha256');
    for (const name of (await readdir(at('vault'), { recursive: true })).sort())
      if (/log\/|vault$/.test(name) && (await lstat(path.join(at('vault'), name))).isFile())
        hash.update(name).update(await readFile(path.join(at('vault'), name)));
    return hash.digest('hex');
  };

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-mount-'));
    await writeFile(at('key'), `holdfast-key-1:${'07'.repeat(32)}:${createHash('sha256').update(KEY.secret).digest('hex').slice(0, 8)}\n`);
    const image = await makeImage();
    // ext4 in use: the flag that a journal is to be replayed is set.
    expect(image.readUInt32LE(2048 * 512 + 1024 + 0x60) & 4).toBe(4);
    const fat = at('fat.img');
    await writeFile(fat, '');
    await truncate(fat, 8 * MIB);
    await run('mkfs.vfat', [fat]);
    image.set(await readFile(fat), 51200 * 512);
    image.write('SWAPSPACE2', 67584 * 512 + 4086);
    const store = await openStore(`file:${at('vault')}`);
    await createVault(store, { name: 'office', keys: [KEY] });
    await fillFromImages(store, KEY, new Map([['sda', image]]));
    await store.close();
    vault = ['--vault', `file:${at('vault')}`, '--key-file', at('key')];
    environment = { HOLDFAST_MOUNT_DIRECTORY: at('scratch') };
    digests = await vaultDigests();
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));
  afterEach(async () => {
    // Nothing of it is left, and nothing of it reached the vault.
    expect(await loopsBelow(at('scratch'))).toEqual([]);
    expect((await kernelMounts()).filter(({ target }) => target.startsWith(`${directory}/`))).toEqual([]);
    expect(await readdir(at('scratch'))).toEqual([]);
    expect(await vaultDigests()).toBe(digests);
  });

  it('shows every file, journal replayed, writes nothing, and ends clean by Ctrl-C', async () => {
    const command = startCommand(['vault', 'mount', ...vault, '--to', at('mnt'), '--output', 'json'], environment);
    await command.written(/Mounted; Ctrl-C/);
    expect(await readFile(at('mnt/sda1/etc/hosts'), 'utf8')).toBe('127.0.0.1 localhost\n');
    expect(await readFile(at('mnt/sda1/late'), 'utf8')).toBe('in the journal\n');
    expect((await readFile(at('mnt/sda1/data'))).equals(Buffer.alloc(3 * MIB, 'holdfast'))).toBe(true);
    expect(await readdir(at('mnt/sda2'))).toEqual([]);
    await expect(writeFile(at('mnt/sda1/new'), 'x')).rejects.toMatchObject({ code: 'EROFS' });
    command.child.kill('SIGINT');
    const { stdout, status } = await command.ended;
    expect(status).toBe(0);
    expect(JSON.parse(stdout).volumes).toMatchObject([
      { name: 'sda1', type: 'ext4', path: at('mnt/sda1') },
      { name: 'sda2', type: 'vfat' },
      { name: 'sda3', why: expect.any(String) },
    ]);
    expect(await readdir(at('mnt'))).toEqual([]);
  });

  it('clears up after one that was killed, and gives files out of it as they were', async () => {
    const killed = startCommand(['vault', 'mount', ...vault, '--to', at('killed')], environment);
    await killed.written(/Mounted; Ctrl-C/);
    killed.child.kill('SIGKILL');
    await killed.ended;
    expect((await loopsBelow(at('scratch'))).length).toBeGreaterThan(0);
    const { stdout, stderr, status } = await runCommand(
      ['files', 'get', 'sda1/', '--to', at('tree'), ...vault, '--output', 'json'],
      environment,
    );
    expect(stderr).toContain(`Cleared up ${at('killed')}`);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ path: 'sda1/', to: at('tree') });
    expect(await readdir(at('killed'))).toEqual([]);
    expect(await readFile(at('tree/late'), 'utf8')).toBe('in the journal\n');
    expect((await stat(at('tree/etc/hosts'))).mode & 0o777).toBe(0o640);
    expect(await readlink(at('tree/outside'))).toBe('/etc');
    expect((await runCommand(['files', 'get', 'sda1/etc', '--to', at('tree'), ...vault], environment)).stderr).toContain('[OBJECT_EXISTS]');
  });
});
