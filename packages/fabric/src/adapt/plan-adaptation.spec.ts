import type { PlanItem } from './guest.ts';
import { applyAdaptation, describePlan, planAdaptation } from './plan-adaptation.ts';
import { archiveOf } from './testing/archive.ts';
import { DATA_UUID, kernelFiles, ROOT_UUID, sampleGuest, samplePlan } from './testing/sample-guest.ts';

/** Plans, applies, and gives what became of it. */
const adapt = async (files: Record<string, string | Uint8Array>, changes = {}, esp?: Record<string, string>) => {
  const guest = sampleGuest(files, esp);
  const plan = await planAdaptation(guest, samplePlan(changes));
  await applyAdaptation(guest, plan);
  const of = (area: string): PlanItem[] => plan.items.filter((item) => item.area === area);
  return { plan, of, text: guest.text, espText: guest.espText, guest };
};

const KERNEL = kernelFiles('6.1.0-30-amd64');

describe('names of devices', () => {
  const FSTAB = [
    '# a comment about /dev/sda2',
    '/dev/sda2 / ext4 errors=remount-ro 0 1',
    `UUID=${DATA_UUID} /srv xfs defaults 0 2`,
    '/dev/disk/by-id/ata-WDC_WD-5678-part1 /data xfs noatime 0 2',
    '/dev/sdc1 /backup ext4 defaults 0 2',
    'UUID=00000000-0000-0000-0000-000000000000 /excluded ext4 nofail 0 2',
    'nas:/export /nas nfs _netdev 0 0',
    'tmpfs /tmp tmpfs size=1G 0 0',
    '/dev/mapper/vg-log /var/log ext4 defaults 0 2',
    '',
  ].join('\n');

  it('of fstab become ids; what is not among the disks may be missing; all else stays', async () => {
    const { text, of } = await adapt({ ...KERNEL, '/etc/fstab': FSTAB });
    expect(text('/etc/fstab')!.split('\n')).toEqual([
      '# a comment about /dev/sda2',
      `UUID=${ROOT_UUID} / ext4 errors=remount-ro 0 1`,
      `UUID=${DATA_UUID} /srv xfs defaults 0 2`,
      `UUID=${DATA_UUID} /data xfs noatime 0 2`,
      '/dev/sdc1\t/backup\text4\tdefaults,nofail\t0\t2',
      ...FSTAB.split('\n').slice(5),
    ]);
    expect(of('devices').filter(({ kind }) => kind === 'change').length).toBe(3);
  });

  it('are changed in files of any encoding, and no other byte of these', async () => {
    const line = (device: string): Buffer =>
      Buffer.concat([
        Buffer.from(`# caf\u00e9 in UTF-8, and in Latin-1: `),
        Buffer.from([0xe9, 0xff]),
        Buffer.from(`\n${device} /d\u00e0 ext4 defaults 0 2\n`),
      ]);
    const { guest, of } = await adapt({
      ...KERNEL,
      '/etc/fstab': line('/dev/sda2'),
      '/etc/os-release': 'PRETTY_NAME="Caf\u00e9 OS"\n',
    });
    expect(await guest.linux!.tree.read('/etc/fstab')).toEqual(line(`UUID=${ROOT_UUID}`));
    expect(of('devices')).toMatchObject([{ kind: 'change', finding: expect.stringContaining('fstab') }]);
    const plan = await planAdaptation(guest, samplePlan({}));
    expect(describePlan(plan)[0]).toBe('Caf\u00e9 OS');
  });

  it('that kernels are given become ids too, in every file of a boot loader', async () => {
    const grub = '\tlinux\t/boot/vmlinuz-6.1.0-30-amd64 root=/dev/sda2 ro quiet\n\tinitrd\t/boot/initrd.img\n';
    const { text } = await adapt({
      ...KERNEL,
      '/boot/grub/grub.cfg': grub,
      '/etc/default/grub': 'GRUB_CMDLINE_LINUX="resume=/dev/sdb1 net=1"\n',
      '/boot/loader/entries/a.conf': 'title x\noptions root=/dev/sda2 $tuned_params\n',
    });
    expect(text('/boot/grub/grub.cfg')).toContain(
      `vmlinuz-6.1.0-30-amd64 root=UUID=${ROOT_UUID} ro quiet console=tty0 console=ttyS0,115200n8\n`,
    );
    expect(text('/etc/default/grub')).toContain(`resume=UUID=${DATA_UUID} net=1 console=`);
    expect(text('/boot/loader/entries/a.conf')).toContain(`root=UUID=${ROOT_UUID} $tuned_params console=`);
  });

  it('stay where an initramfs of its own making understands no other; then a controller is chosen under which they hold', async () => {
    const own = kernelFiles('6.1', ['virtio_pci', 'virtio_blk', 'ahci', 'sd_mod'], [], 'bin/busybox');
    const { text, plan } = await adapt({ ...own, '/boot/extlinux/extlinux.conf': 'LABEL x\n  APPEND root=/dev/sda2 ro\n' });
    expect(text('/boot/extlinux/extlinux.conf')).toContain('APPEND root=/dev/sda2 ro console=');
    expect(plan.controller).toBe('sata');
  });

  it('of a root that is not among the disks are trouble', async () => {
    const { of } = await adapt({ ...KERNEL, '/boot/grub/grub.cfg': 'linux /vmlinuz root=/dev/sdq1\n' });
    expect(of('devices')).toMatchObject([{ kind: 'trouble', finding: expect.stringContaining('/dev/sdq1') }]);
  });
});

describe('hardware', () => {
  it.each([
    [['virtio_pci', 'virtio_blk', 'ahci', 'sd_mod'], 'virtio', 'good'],
    [['ahci', 'sd_mod', 'virtio_blk'], 'sata', 'change'],
    [['virtio_pci', 'virtio_scsi', 'sd_mod'], 'scsi', 'change'],
    [['vmw_pvscsi', 'sd_mod', 'ext4'], 'pvscsi', 'change'],
    [['megaraid_sas', 'sd_mod'], undefined, 'trouble'],
  ])('is what an initramfs with %j can drive: %s', async (drivers, controller, kind) => {
    const { plan, of } = await adapt(kernelFiles('6.1', drivers));
    expect(plan.controller).toBe(controller);
    expect(of('controller')).toMatchObject([{ kind }]);
  });

  it('fits all kernels, else the newest; the card too', async () => {
    const old = kernelFiles('5.9.0', ['ahci', 'sd_mod'], ['e1000']);
    const both = { ...kernelFiles('5.10.0'), ...old };
    expect((await adapt(both)).plan).toMatchObject({ controller: 'sata', networkModel: 'e1000' });
    const other = { ...kernelFiles('5.10.0', ['nvme']), ...old };
    expect((await adapt(other)).plan).toMatchObject({ controller: 'nvme' });
  });

  it('is not chosen where no kernel tells anything', async () => {
    const { plan, of } = await adapt({ '/boot/vmlinuz-6.1': 'x', '/boot/initrd.img-6.1': 'no archive' });
    expect(plan.controller).toBeUndefined();
    expect(of('controller').map(({ kind }) => kind)).toEqual(['left', 'left']);
  });
});

describe('the console', () => {
  it('is left as it is where kernels speak on a serial port', async () => {
    const grub = 'linux /vmlinuz root=UUID=1 console=ttyS1,9600\n';
    const { text, of } = await adapt({ ...KERNEL, '/boot/grub/grub.cfg': grub });
    expect(text('/boot/grub/grub.cfg')).toBe(grub);
    expect(of('console')).toMatchObject([{ kind: 'good' }]);
  });

  it('keeps the length of an environment block', async () => {
    const block = `# GRUB Environment Block\nkernelopts=root=UUID=1 ro\n`.padEnd(1024, '#');
    const { text } = await adapt({ ...KERNEL, '/boot/grub2/grubenv': block, '/boot/loader/entries/a.conf': 'options $kernelopts\n' });
    expect(text('/boot/grub2/grubenv')).toHaveLength(1024);
    expect(text('/boot/grub2/grubenv')).toContain('kernelopts=root=UUID=1 ro console=tty0 console=ttyS0,115200n8\n##');
    expect(text('/boot/loader/entries/a.conf')).toBe('options $kernelopts\n');
  });

  it('offers a login where init has a table', async () => {
    const table = '1:2345:respawn:/sbin/getty 38400 tty1\n';
    expect((await adapt({ '/etc/inittab': table })).text('/etc/inittab')).toBe(
      `${table}T0:2345:respawn:/sbin/getty -L ttyS0 115200 vt100\n`,
    );
  });
});

describe('the network', () => {
  const INTERFACES = `auto lo
iface lo inet loopback
auto ens192
iface ens192 inet static
    address 192.0.2.10/24
    gateway 192.0.2.1
    post-up echo up
iface ens224 inet6 static
    address 2001:db8::1/64
`;
  const SYSTEMD = { '/usr/lib/systemd/systemd': 'x' };

  it('of ifupdown gets addresses by DHCP where the network gives them', async () => {
    const { text, of } = await adapt({ '/etc/network/interfaces': INTERFACES });
    expect(text('/etc/network/interfaces')).toBe(
      INTERFACES.replace('ens192 inet static', 'ens192 inet dhcp')
        .replace('    address 192', '#    address 192')
        .replace('    gateway', '#    gateway'),
    );
    expect(of('network')).toMatchObject([{ kind: 'change', finding: expect.stringContaining('192.0.2.10/24 (static)') }]);
  });

  it('keeps its addresses, but not those of its cards, on a network like its own', async () => {
    const rules = 'SUBSYSTEM=="net", ATTR{address}=="00:50:56:aa:bb:cc", NAME="ens192"\n';
    const netplan = 'network:\n  ethernets:\n    a:\n      match: {macaddress: "00:50:56:AA:BB:CC"}\n      addresses: [192.0.2.10/24]\n';
    const files = {
      ...SYSTEMD,
      '/etc/udev/rules.d/70-persistent-net.rules': rules,
      '/etc/netplan/01.yaml': netplan,
      '/etc/network/interfaces': INTERFACES,
    };
    const { text, plan, of } = await adapt(files, { addresses: 'keep' });
    expect(text('/etc/network/interfaces')).toBe(INTERFACES);
    expect(text('/etc/udev/rules.d/70-persistent-net.rules')).toBe(rules.replace('00:50:56:aa:bb:cc', plan.macs[0]!));
    expect(text('/etc/netplan/01.yaml')).toBe(netplan.replace('00:50:56:AA:BB:CC', plan.macs[0]!));
    expect(text('/etc/systemd/network/10-holdfast-1.link')).toContain(`MACAddress=${plan.macs[1]}\n\n[Link]\nName=ens224\n`);
    expect(text('/etc/systemd/network/05-holdfast-0.network')).toBeUndefined();
    expect(plan.macs).toEqual([expect.stringMatching(/^52:54:00:/), expect.stringMatching(/^52:54:00:/)]);
    expect(of('network').map(({ kind }) => kind)).toEqual(['change', 'change', 'good']);
  });

  it('of netplan, systemd-networkd and NetworkManager is overruled by files of its own', async () => {
    const { text, plan } = await adapt({
      ...SYSTEMD,
      '/etc/netplan/01.yaml': 'network: {}\n',
      '/etc/NetworkManager/NetworkManager.conf': '',
    });
    expect(text('/etc/systemd/network/05-holdfast-0.network')).toContain(`MACAddress=${plan.macs[0]}\n\n[Network]\nDHCP=ipv4\n`);
    expect(text('/etc/NetworkManager/system-connections/holdfast-1.nmconnection')).toContain(
      `mac-address=${plan.macs[1]!.toUpperCase()}\n`,
    );
  });

  it('of ifcfg files too', async () => {
    const { text } = await adapt({
      '/etc/sysconfig/network-scripts/ifcfg-ens192': 'DEVICE=ens192\nBOOTPROTO=none\nIPADDR=192.0.2.10\nPREFIX=24\n',
    });
    expect(text('/etc/sysconfig/network-scripts/ifcfg-ens192')).toBe("DEVICE=ens192\nBOOTPROTO='dhcp'\n#IPADDR=192.0.2.10\n#PREFIX=24\n");
  });
});

describe('what starts and stays silent', () => {
  it('is found by UEFI firmware that was told nothing', async () => {
    const esp = { '/EFI/debian/shimx64.efi': 'shim', '/EFI/debian/grubx64.efi': 'grub', '/EFI/debian/BOOTX64.CSV': 'csv' };
    const { espText, of } = await adapt({}, { firmware: 'uefi' }, esp);
    expect([espText('/EFI/BOOT/BOOTX64.EFI'), espText('/EFI/BOOT/grubx64.efi')]).toEqual(['shim', 'grub']);
    expect(of('bootloader')).toMatchObject([{ kind: 'change' }]);
    expect((await adapt({}, { firmware: 'uefi' }, { '/EFI/BOOT/BOOTX64.EFI': 'x' })).of('bootloader')).toMatchObject([{ kind: 'good' }]);
    expect((await adapt({}, { firmware: 'uefi' })).of('bootloader')).toMatchObject([{ kind: 'trouble' }]);
    expect((await adapt({}, {}, esp)).of('bootloader')).toEqual([]);
  });

  it('agents get a marker, wherever their state is', async () => {
    const { text, of } = await adapt({
      '/var/lib/holdfast/agent/identity/identity.json': '{}',
      '/var/lib/holdfast/process-server/journal': 'x',
      '/etc/holdfast/agent.yaml': '# x\nstate:\n  # y\n  directory: /srv/agent # z\n',
      '/srv/agent/identity/identity.json': '{}',
    });
    expect(JSON.parse(text('/var/lib/holdfast/agent/identity/recovered.json')!)).toMatchObject({
      machineName: 'db1',
      pointTime: '2026-11-22T01:00:00.000Z',
    });
    expect(text('/srv/agent/identity/recovered.json')).toBeDefined();
    expect(of('agent')).toHaveLength(2);
  });

  it('cloud-init is switched off', async () => {
    expect((await adapt({ '/etc/cloud/cloud.cfg': '' })).text('/etc/cloud/cloud-init.disabled')).toBeDefined();
    expect((await adapt({})).of('cloud-init')).toEqual([]);
  });
});

describe('a plan', () => {
  it('is made twice: the second time, over what the first changed, there is nothing to do but the cards', async () => {
    const files = {
      ...KERNEL,
      '/etc/fstab': '/dev/sda2 / ext4 defaults 0 1\n',
      '/boot/grub/grub.cfg': 'linux /vmlinuz root=/dev/sda2\n',
      '/etc/cloud/cloud.cfg': '',
    };
    const { guest } = await adapt(files, { manifest: undefined });
    const again = await planAdaptation(guest, samplePlan({ manifest: undefined }));
    expect(again.items.filter(({ kind }) => kind === 'change')).toEqual([]);
    expect(again.edits).toEqual([]);
  });

  it('changes nothing by itself, and is told in lines', async () => {
    const guest = sampleGuest({ ...KERNEL, '/etc/fstab': '/dev/sda2 / ext4 defaults 0 1\n' });
    const plan = await planAdaptation(guest, samplePlan());
    expect(guest.text('/etc/fstab')).toBe('/dev/sda2 / ext4 defaults 0 1\n');
    expect(describePlan(plan)[0]).toBe('Debian GNU/Linux 12 (bookworm)');
    expect(describePlan(plan)).toContainEqual(expect.stringMatching(/^devices: change: .*\/dev\/sda2 -> UUID=/));
  });

  it('is told in so many lines of such a length, whatever the machine calls itself', async () => {
    const files = { ...KERNEL, '/etc/os-release': `PRETTY_NAME="\u001b[2J${'x'.repeat(1e6)}"\n` };
    const plan = await planAdaptation(
      { ...sampleGuest(files), notes: Array.from({ length: 1000 }, (_, at) => `note ${at}`) },
      samplePlan(),
    );
    const lines = describePlan(plan);
    expect(lines.length).toBeLessThan(300);
    expect(lines[0]).toMatch(/^\?\[2Jx+$/);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(1000);
  });

  it('of disks without a Linux says so and leaves them', async () => {
    const plan = await planAdaptation(
      { ...sampleGuest({}), linux: undefined, notes: ['sda2 (ext4) could not be mounted: x'] },
      samplePlan(),
    );
    expect(plan).toMatchObject({ system: '', edits: [], macs: [], controller: undefined });
    expect(plan.items.map(({ kind }) => kind)).toEqual(['left', 'left']);
  });

  it('keeps its head over an initramfs that lies', async () => {
    const { of } = await adapt({ ...KERNEL, '/boot/initrd.img-6.1.0-30-amd64': archiveOf(['x']).subarray(0, 50) });
    expect(of('controller')[0]).toMatchObject({ kind: 'left', finding: expect.stringContaining('DAMAGED') });
  });
});
