// Real file systems on partitions of an image, served by NBD as `recoverMachine` serves the overlays of a point.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { type BlockDevice, createOverlay, openFileDevice } from '@holdfast/block';
import { createNbdServer, type NbdServer } from '@holdfast/nbd';
import type { AdaptationRequest } from '../recovery/recovery.ts';
import { createAdaptation } from './adapt-machine.ts';
import { openGuest } from './mount/open-guest.ts';
import { makeDisk } from './testing/make-disk.ts';
import { kernelFiles, sampleManifest } from './testing/sample-guest.ts';

const run = promisify(execFile);

describe.unless(lacks('root', '/dev/fuse', 'nbdfuse', 'sfdisk', 'mcopy', 'mkfs.btrfs', 'mkfs.vfat'), 'the disks of a machine', () => {
  let directory: string;
  let server: NbdServer | undefined;
  const devices: BlockDevice[] = [];
  const at = (name: string): string => path.join(directory, name);

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-adapt-'));
  });
  afterEach(async () => {
    await server?.close();
    for (const device of devices.splice(0).toReversed()) await device.close();
    await rm(directory, { recursive: true });
  });

  const put = async (root: string, name: string, content: string | Uint8Array): Promise<void> => {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true });
    await writeFile(path.join(root, name), content);
  };

  const fill = async (root: string): Promise<void> => {
    const files = {
      '/etc/os-release': 'ID=debian\nPRETTY_NAME="Debian"\n',
      '/etc/fstab': '/dev/sda2 / auto defaults 0 1\n',
      '/boot/grub/grub.cfg': 'linux /boot/vmlinuz-6.1 root=/dev/sda2 ro\n',
      '/var/lib/holdfast/agent/identity/identity.json': '{}',
      ...kernelFiles('6.1', ['ahci', 'sd_mod']),
    };
    for (const [name, content] of Object.entries(files)) await put(root, name, content);
    // What the machine calls its network settings is a directory of whoever opens it.
    await mkdir(path.join(root, 'usr/lib/systemd'), { recursive: true });
    await mkdir(at('outside'));
    await mkdir(path.join(root, 'etc/systemd'));
    await symlink(at('outside'), path.join(root, 'etc/systemd/network'));
    await symlink(`../../../../../../../../${at('outside')}`, path.join(root, 'etc/cloud'));
    await writeFile(at('outside/cloud.cfg'), '');
  };

  /** An overlay over the image, by NBD. */
  const serve = async (image: string): Promise<{ overlay: BlockDevice; uri: string }> => {
    const base = await openFileDevice(image, { readOnly: true });
    const overlay = await createOverlay(base, { identity: 'x', path: at('overlay') });
    devices.push(base, overlay);
    server = await createNbdServer({
      exports: new Map([['sda', { device: overlay, description: 'sda', readOnly: false }]]),
      listen: { path: at('nbd.sock') },
      onError: () => {},
    });
    return { overlay, uri: server.uri('sda') };
  };

  const request = (uri: string, device: BlockDevice): AdaptationRequest => ({
    manifest: sampleManifest(),
    disks: [{ id: 'a', name: 'sda', device, uri }],
    controller: undefined,
    firmware: 'uefi',
    network: { kind: 'isolated' },
    signal: new AbortController().signal,
  });

  const leftOver = async (): Promise<string[]> => [
    ...(await readdir(at('scratch'))),
    ...(await readFile('/proc/self/mountinfo', 'utf8')).split('\n').filter((line) => line.includes(directory)),
    ...(await run('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE'])).stdout
      .split('\n')
      .filter((line) => line.includes(directory)),
  ];

  it('are adapted on their overlay: the point stays as it is, and nothing leads out of it', async () => {
    const uuid = await makeDisk(at('disk.img'), 'btrfs', fill, { '/EFI/debian/grubx64.efi': 'grub' });
    const before = await readFile(at('disk.img'));
    const { overlay, uri } = await serve(at('disk.img'));
    const adapted = await createAdaptation({ scratch: at('scratch'), pointTime: Date.UTC(2026, 10, 22) })(request(uri, overlay));
    expect(adapted).toMatchObject({ controller: 'sata', macs: [expect.stringMatching(/^52:54:00/), expect.anything()] });
    expect(adapted.report.filter((line) => /trouble/.test(line))).toEqual([]);
    expect(await leftOver()).toEqual([]);
    expect((await readFile(at('disk.img'))).equals(before)).toBe(true);
    // Links of the machine lead where they would there: not to this host.
    expect(await readdir(at('outside'))).toEqual(['cloud.cfg']);

    // What the machine will see, through the same overlay.
    const open = await openGuest([{ id: 'a', name: 'sda', uri }], {
      scratch: at('scratch'),
      signal: new AbortController().signal,
      rootHints: [],
    });
    try {
      const text = async (name: string) => (await open.linux?.tree.read(name))?.toString('utf8');
      expect(await text('/etc/fstab')).toBe(`UUID=${uuid} / auto defaults 0 1\n`);
      expect(await text('/boot/grub/grub.cfg')).toContain(`root=UUID=${uuid} ro console=tty0 console=ttyS0`);
      expect(await text('/var/lib/holdfast/agent/identity/recovered.json')).toContain('2026-11-22T00:00:00.000Z');
      expect((await open.esp?.read('/EFI/BOOT/BOOTX64.EFI'))?.toString()).toBe('grub');
      expect(await open.linux?.tree.read('/etc/cloud/cloud.cfg')).toBeUndefined();
    } finally {
      await open.close();
    }
  });

  it('are cleared away when the work ends in the middle, and after a process that was killed', async () => {
    await makeDisk(at('disk.img'), 'ext4', fill, {});
    const { uri } = await serve(at('disk.img'));
    const disks = [{ id: 'a', name: 'sda', uri }];
    const stopped = openGuest(disks, { scratch: at('scratch'), signal: AbortSignal.abort(new Error('stop')), rootHints: [] });
    await expect(stopped).rejects.toThrow('stop');
    expect(await leftOver()).toEqual([]);

    const script = `import { openGuest } from ${JSON.stringify(path.join(__dirname, 'mount/open-guest.ts'))};
      await openGuest(${JSON.stringify(disks)}, { scratch: ${JSON.stringify(at('scratch'))}, signal: new AbortController().signal, rootHints: [] });
      process.kill(process.pid, 'SIGKILL');`;
    await writeFile(at('open.mts'), script);
    await expect(run(process.execPath, ['--conditions=@holdfast/source', at('open.mts')])).rejects.toMatchObject({ signal: 'SIGKILL' });
    expect((await leftOver()).length).toBeGreaterThan(2);
    const open = await openGuest(disks, { scratch: at('scratch'), signal: new AbortController().signal, rootHints: [] });
    expect(open.linux?.root.name).toBe('sda2');
    expect(await readdir(at('scratch'))).toHaveLength(1);
    await open.close();
    expect(await leftOver()).toEqual([]);
    expect((await stat(at('disk.img'))).isFile()).toBe(true);
  });
});
