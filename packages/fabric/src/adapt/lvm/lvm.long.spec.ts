// A volume group made by LVM2 itself, on a host that need have no device mapper.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { type BlockDevice, openFileDevice } from '@holdfast/block';
import { createNbdServer, type NbdServer } from '@holdfast/nbd';
import { createAdaptation } from '../adapt-machine.ts';
import { checkFileSystems } from '../mount/check-file-systems.ts';
import { openGuest } from '../mount/open-guest.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;

describe.unless(lacks('root', 'nbdfuse', 'losetup', 'lvm', 'mkfs.xfs'), 'a root on a logical volume', () => {
  let directory: string;
  let server: NbdServer | undefined;
  const devices: BlockDevice[] = [];
  const at = (name: string): string => path.join(directory, name);
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-lvm-'));
  });
  afterEach(async () => {
    await server?.close();
    for (const device of devices.splice(0)) await device.close();
    await rm(directory, { recursive: true });
  });

  /** Two disks of one group: `root` lies on the first alone and holds an XFS, `wide` on both by turns. */
  const makeGroup = async (): Promise<void> => {
    const loops: string[] = [];
    try {
      for (const name of ['a.img', 'b.img']) {
        await writeFile(at(name), '');
        await truncate(at(name), 600 * MIB);
        loops.push((await run('losetup', ['--find', '--show', at(name)])).stdout.trim());
      }
      const quiet = [
        '--driverloaded',
        'n',
        '--config',
        'devices { use_devicesfile=0 } backup { backup=0 archive=0 } activation { udev_sync=0 udev_rules=0 }',
      ];
      await run('pvcreate', [...quiet, ...loops]);
      await run('vgcreate', [...quiet, 'vg-0', ...loops]);
      const make = (...args: string[]) => run('lvcreate', [...quiet, '-an', '-Zn', '-Wn', ...args]);
      await make('-L', '400M', '-n', 'root', 'vg-0', loops[0]!);
      await make('-L', '64M', '-i', '2', '-I', '64k', '-n', 'wide', 'vg-0');
      // Where LVM2 puts the first extent of a physical volume: behind 1 MiB.
      const root = (
        await run('losetup', ['--find', '--show', '--offset', String(MIB), '--sizelimit', String(400 * MIB), at('a.img')])
      ).stdout.trim();
      loops.push(root);
      await run('mkfs.xfs', ['-q', root]);
      await mkdir(at('mnt'));
      await run('mount', [root, at('mnt')]);
      await mkdir(at('mnt/etc'));
      await writeFile(at('mnt/etc/fstab'), '/dev/mapper/vg--0-root / xfs defaults 0 0\n');
      await writeFile(at('mnt/etc/os-release'), 'PRETTY_NAME="On LVM"\n');
      await mkdir(at('mnt/var/lib/holdfast/agent/identity'), { recursive: true });
      await writeFile(at('mnt/var/lib/holdfast/agent/identity/identity.json'), '{}');
      await run('umount', [at('mnt')]);
    } finally {
      for (const loop of loops) await run('losetup', ['--detach', loop]);
    }
  };

  it('is opened by this process alone, adapted, and written where it lies', async () => {
    await makeGroup();
    const exports = new Map();
    for (const name of ['a', 'b']) {
      const device = await openFileDevice(at(`${name}.img`));
      devices.push(device);
      exports.set(name, { device, description: name });
    }
    server = await createNbdServer({ exports, listen: { path: at('s') }, onError: () => {} });
    const disks = ['a', 'b'].map((name, index) => ({ id: name, name: `sd${name}`, uri: server!.uri(name), device: devices[index]! }));
    const { signal } = new AbortController();
    const request = { manifest: undefined, controller: undefined, firmware: 'bios', network: { kind: 'none' }, disks, signal } as const;
    const { report } = await createAdaptation({ scratch: at('scratch'), pointTime: 0 })(request);
    expect(report).toEqual(expect.arrayContaining(['On LVM', expect.stringContaining('agent: change')]));
    expect(await readdir(at('scratch'))).toEqual([]);

    const open = await openGuest(disks, { scratch: at('scratch'), signal, rootHints: [] });
    expect(open.linux?.root).toMatchObject({ name: 'vg--0-root', type: 'xfs' });
    expect(open.volumes.map(({ name }) => name)).toContain('vg--0-wide');
    await open.close();
    expect(await checkFileSystems(disks, { scratch: at('scratch'), signal })).toEqual([
      { name: 'vg--0-root', type: 'xfs', fault: undefined },
    ]);
    for (const device of devices) await device.flush();
    // Without our mapping: the marker lies in the file system behind the first MiB.
    const loop = (
      await run('losetup', ['--find', '--show', '--read-only', '--offset', String(MIB), '--sizelimit', String(400 * MIB), at('a.img')])
    ).stdout.trim();
    try {
      await run('xfs_repair', ['-n', loop]);
      await run('mount', ['-o', 'ro,norecovery,nouuid', loop, at('mnt')]);
      expect(await readdir(at('mnt/var/lib/holdfast/agent/identity'))).toEqual(['identity.json', 'recovered.json']);
      await run('umount', [at('mnt')]);
    } finally {
      await run('losetup', ['--detach', loop]);
    }
    // Its first allocation group, behind the superblock.
    await devices[0]!.write(MIB + 512, Buffer.alloc(3 * 512, 0xff));
    const [checked] = await checkFileSystems(disks, { scratch: at('scratch'), signal });
    expect(checked?.fault).toBeDefined();
  });

  it('is named when one of its disks is missing', async () => {
    await makeGroup();
    const device = await openFileDevice(at('b.img'));
    devices.push(device);
    server = await createNbdServer({
      exports: new Map([['b', { device, description: 'b' }]]),
      listen: { path: at('s') },
      onError: () => {},
    });
    const open = await openGuest([{ id: 'b', name: 'sdb', uri: server.uri('b') }], {
      scratch: at('scratch'),
      signal: new AbortController().signal,
      rootHints: [],
    });
    expect(open.linux).toBeUndefined();
    expect(open.notes).toEqual(
      expect.arrayContaining([expect.stringContaining('vg--0-root could not be opened: not all of its physical volumes')]),
    );
    await open.close();
  });
});
