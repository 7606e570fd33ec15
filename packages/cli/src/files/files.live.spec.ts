import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { madeSuperblock } from '@holdfast/fabric/conformance';
import { openStore } from '@holdfast/object-store';
import { createVault } from '@holdfast/vault';
import { fillFromImages } from '../testing/image-vault.ts';
import { startCommand } from '../testing/start-command.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;
const KEY = { kind: 'key-file', secret: Buffer.alloc(32, 7) } as const;
/** More than a process has threads for files. */
const DIRECTORIES = 24;
/** Thirty times what it takes. */
const PATIENCE = 60_000;

describe.unless(lacks('root', 'nbdfuse', 'losetup', 'mkfs.ext4', 'sfdisk', 'lvm'), 'files of a point', () => {
  let directory: string;
  let vault: string[];
  let environment: Record<string, string>;
  const at = (name: string): string => path.join(directory, name);

  const withLoop = async (args: readonly string[], work: (loop: string) => Promise<unknown>): Promise<void> => {
    const loop = (await run('losetup', ['--find', '--show', ...args])).stdout.trim();
    try {
      await work(loop);
    } finally {
      await run('losetup', ['--detach', loop]);
    }
  };

  const withMounted = async (loop: string, fill: (root: string) => Promise<void>): Promise<void> => {
    await mkdir(at('source'), { recursive: true });
    await run('mount', [loop, at('source')]);
    await fill(at('source')).finally(() => run('umount', [at('source')]));
  };

  const makeImage = async (name: string, size: number): Promise<string> => {
    await writeFile(at(name), '');
    await truncate(at(name), size);
    return at(name);
  };

  /** An ext4 whose directories lie far from each other: to look at each is to read another part of the disk. */
  const makeDisk = async (): Promise<Buffer> => {
    const image = await makeImage('disk.img', 64 * MIB);
    await run('mkfs.ext4', ['-q', '-b', '1024', '-g', '2048', '-O', '^flex_bg', image]);
    await withLoop([image], (loop) =>
      withMounted(loop, async (root) => {
        for (let number = 0; number < DIRECTORIES; number += 1) await mkdir(path.join(root, `d${number}`));
        await writeFile(path.join(root, 'd7/file'), 'content\n', { mode: 0o640 });
        await symlink('/d7', path.join(root, 'absolute'));
      }),
    );
    return readFile(image);
  };

  /** A disk that is a physical volume, made by LVM2 itself without device mapper; its only logical volume begins behind 1 MiB. */
  const makeGroup = async (): Promise<Buffer> => {
    const image = await makeImage('group.img', 24 * MIB);
    const quiet = [
      '--driverloaded',
      'n',
      '--config',
      'devices { use_devicesfile=0 } backup { backup=0 archive=0 } activation { udev_sync=0 udev_rules=0 }',
    ];
    await withLoop([image], async (loop) => {
      await run('vgcreate', [...quiet, '-s', '1M', 'holdfast-files', loop]);
      await run('lvcreate', [...quiet, '-an', '-Zn', '-Wn', '-L', '16M', '-n', 'root', 'holdfast-files']);
      await run('lvcreate', [...quiet, '-an', '-Zn', '-Wn', '--type', 'zero', '-L', '1M', '-n', 'other', 'holdfast-files']);
    });
    await withLoop(['--offset', String(MIB), '--sizelimit', String(16 * MIB), image], async (loop) => {
      await run('mkfs.ext4', ['-q', loop]);
      await withMounted(loop, (root) => writeFile(path.join(root, 'on-lvm'), 'there\n'));
    });
    return readFile(image);
  };

  /** Two disks that are one mirror of md, which holds an ext4; the driver of md is not asked. */
  const makeMirror = async (): Promise<Buffer[]> => {
    const size = 8 * MIB;
    const image = await makeImage('mirror.img', size);
    await withLoop(['--offset', String(MIB), image], async (loop) => {
      await run('mkfs.ext4', ['-q', loop]);
      await withMounted(loop, (root) => writeFile(path.join(root, 'on-md'), 'twice\n'));
    });
    const content = await readFile(image);
    return [0, 1].map((device) => {
      const member = Buffer.from(content);
      madeSuperblock({ device, sectors: BigInt((size - MIB) / 512) }).copy(member, 4096);
      return member;
    });
  };

  const holdfast = async (...args: string[]): Promise<{ stdout: string; stderr: string; status: number }> => {
    const command = startCommand(['files', ...args, ...vault, '--output', 'json'], environment);
    const timer = setTimeout(() => command.child.kill('SIGKILL'), PATIENCE);
    const { stdout, stderr, status } = await command.ended;
    clearTimeout(timer);
    return { stdout, stderr, status: status ?? -1 };
  };

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-files-'));
    await writeFile(at('key'), `holdfast-key-1:${'07'.repeat(32)}:${createHash('sha256').update(KEY.secret).digest('hex').slice(0, 8)}\n`);
    const store = await openStore(`file:${at('vault')}`);
    await createVault(store, { name: 'office', keys: [KEY] });
    const [first, second] = await makeMirror();
    const images = new Map([
      ['sda', await makeDisk()],
      ['sdb', await makeGroup()],
      ['sdc', first!],
      ['sdd', second!],
    ]);
    await fillFromImages(store, KEY, images);
    await store.close();
    vault = ['--vault', `file:${at('vault')}`, '--key-file', at('key')];
    environment = { HOLDFAST_MOUNT_DIRECTORY: at('scratch') };
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));
  afterEach(async () => expect(await readdir(at('scratch'))).toEqual([]));

  // A thread of ours that waits for the disk is one that cannot serve it: listed by this process, this would never end, nor could the process be killed.
  it('are listed, however many have to be looked at', async () => {
    const { stdout, status } = await holdfast('ls', 'sda/');
    expect(status).toBe(0);
    const { entries } = JSON.parse(stdout) as { entries: { name: string; type: string }[] };
    expect(entries.filter(({ type }) => type === 'directory')).toHaveLength(DIRECTORIES + 1);
    expect(entries).toContainEqual(expect.objectContaining({ name: 'absolute', type: 'link', target: '/d7' }));
  });

  it('are found behind links as on the machine itself', async () => {
    const { stdout } = await holdfast('ls', 'sda/absolute/file');
    expect(JSON.parse(stdout).entries).toMatchObject([{ name: 'file', type: 'file', mode: '0640', size: 8 }]);
  });

  it('of a mirror of md are given too', async () => {
    expect((await holdfast('get', 'md0/on-md', '--to', at('mirrored'))).status).toBe(0);
    expect(await readFile(at('mirrored'), 'utf8')).toBe('twice\n');
  });

  it('of a logical volume are given too', async () => {
    expect((await holdfast('get', 'holdfast--files-root/on-lvm', '--to', at('got'))).status).toBe(0);
    expect(await readFile(at('got'), 'utf8')).toBe('there\n');
    const { volumes, notes } = JSON.parse((await holdfast('ls')).stdout);
    expect(notes).toEqual([expect.stringMatching(/^holdfast--files-other could not be opened: it is of the kind zero; .*vgimportclone/)]);
    expect(volumes).toMatchObject([
      { name: 'sda', disk: 'sda', type: 'ext4', mounted: true },
      { name: 'sdb', type: 'LVM2_member', mounted: false, why: expect.stringContaining('logical volumes') },
      { name: 'sdc', type: 'linux_raid_member', mounted: false, why: expect.stringContaining('mirror') },
      { name: 'sdd', type: 'linux_raid_member', mounted: false, why: expect.stringContaining('mirror') },
      { name: 'md0', type: 'ext4', mounted: true },
      { name: 'holdfast--files-root', type: 'ext4', mounted: true },
    ]);
  });
});
