import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { clone } from '@bufbuild/protobuf';
import { Firmware, idText, type Manifest, ManifestSchema } from '@holdfast/protocol';
import fc from 'fast-check';
import { collectManifest } from './collect.ts';
import { manifestIdentity } from './identity.ts';
import { localSystem, type SystemView } from './system-view.ts';
import { recordedSystem } from './testing/recorded-system.ts';

const MACHINE = 'ab'.repeat(16);
const DISK = 'cd'.repeat(16);

const collect = (system: SystemView, diskPath = '/dev/none/nvme0n1'): Promise<Manifest> =>
  collectManifest({ machineId: MACHINE, disks: [{ id: DISK, path: diskPath }], system });

const ESP = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b';
const LVM = 'e6d6d379-f507-44c2-a23c-238f2a3df928';

/** A server that boots by UEFI from an NVMe disk with an ESP, a boot partition and LVM. As util-linux 2.38 and iproute2 6.1 print it. */
const LSBLK = {
  blockdevices: [
    {
      name: 'nvme0n1',
      kname: 'nvme0n1',
      model: 'SAMSUNG MZVL2512HCJQ-00B00',
      serial: 'S675NX0R123456',
      wwn: 'eui.002538b911b1',
      pttype: 'gpt',
      fstype: null,
      mountpoints: [null],
      children: [
        {
          kname: 'nvme0n1p2',
          parttype: LVM,
          partuuid: '22-2',
          partlabel: 'system',
          fstype: 'LVM2_member',
          uuid: 'pv-1',
          mountpoints: [null],
          children: [{ kname: 'dm-0', fstype: 'ext4', uuid: 'root', mountpoints: ['/'] }],
        },
        {
          kname: 'nvme0n1p1',
          parttype: ESP,
          partuuid: '11-1',
          partlabel: 'EFI\u0000 System',
          fstype: 'vfat',
          uuid: 'AB-CD',
          mountpoints: ['/boot/efi', '/boot/efi'],
        },
      ],
    },
  ],
};

const ADDRESSES = [
  {
    ifname: 'lo',
    link_type: 'loopback',
    address: '00:00:00:00:00:00',
    mtu: 65536,
    addr_info: [{ family: 'inet', local: '127.0.0.1', prefixlen: 8, scope: 'host' }],
  },
  {
    ifname: 'eno1',
    address: '3c:ec:ef:01:02:03',
    mtu: 1500,
    addr_info: [
      { family: 'inet', local: '192.0.2.10', prefixlen: 24, scope: 'global', dynamic: true },
      { family: 'inet6', local: '2001:db8::10', prefixlen: 64, scope: 'global' },
      { family: 'inet6', local: 'fe80::1', prefixlen: 64, scope: 'link' },
    ],
  },
  {
    ifname: 'br0',
    address: '3c:ec:ef:01:02:04',
    mtu: 9000,
    addr_info: [{ family: 'inet', local: '198.51.100.1', prefixlen: 30, scope: 'global' }],
  },
  { ifname: 'eno2', address: '3c:ec:ef:01:02:05', mtu: 1500, addr_info: [] },
  { ifname: 'dummy0', address: '3c:ec:ef:01:02:06', mtu: 1500, addr_info: [] },
];

const FILES = {
  '/etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n# a comment\nODD=\'it\\\'s\'\n',
  '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c': '\u0006\u0000\u0000\u0000\u0001',
  '/sys/class/block/nvme0n1/size': '1000215216\n',
  '/sys/class/block/nvme0n1/queue/logical_block_size': '512\n',
  '/sys/class/block/nvme0n1/queue/physical_block_size': '4096\n',
  '/sys/class/block/nvme0n1/nvme0n1p1/partition': '1\n',
  '/sys/class/block/nvme0n1/nvme0n1p2/partition': '2\n',
  '/sys/class/block/nvme0n1p1/partition': '1\n',
  '/sys/class/block/nvme0n1p1/start': '2048\n',
  '/sys/class/block/nvme0n1p1/size': '1048576\n',
  '/sys/class/block/nvme0n1p2/partition': '2\n',
  '/sys/class/block/nvme0n1p2/start': '1050624\n',
  '/sys/class/block/nvme0n1p2/size': '999162511\n',
  '/sys/class/net/eno1/device/vendor': '0x8086',
  '/sys/class/net/eno2/device/vendor': '0x8086',
  '/etc/resolv.conf': 'nameserver 127.0.0.53\noptions edns0\n',
  '/run/systemd/resolve/resolv.conf':
    'nameserver 192.0.2.53\nnameserver fe80::1%eno1\nnameserver nonsense\nsearch example.net corp.example\n',
  '/run/systemd/netif/links/2': '',
  '/etc/netplan/50.yaml': '',
};

const ANSWERS = {
  'lsblk --json --bytes --output-all /dev/none/nvme0n1': LSBLK,
  'ip -j addr': ADDRESSES,
  'ip -j route': [
    { dst: 'default', gateway: '192.0.2.1', dev: 'eno1', protocol: 'dhcp', metric: 100 },
    { dst: '192.0.2.0/24', dev: 'eno1', protocol: 'kernel' },
    { dst: '203.0.113.0/24', via: { family: 'inet6', host: '2001:db8::1' }, dev: 'br0' },
    { dst: 'blackhole me', dev: 'br0' },
  ],
  'ip -j -6 route': [{ dst: 'default', gateway: 'fe80::ff', dev: 'eno1', protocol: 'ra', metric: 1024 }],
};

describe('the manifest', () => {
  it('says of a server all that is needed to start it elsewhere', async () => {
    const manifest = await collect(recordedSystem(FILES, ANSWERS));
    expect(manifest).toMatchObject({
      firmware: Firmware.UEFI,
      secureBoot: true,
      operatingSystem: { family: 'linux', id: 'debian', version: '12', prettyName: 'Debian GNU/Linux 12 (bookworm)' },
      dnsServers: ['192.0.2.53', 'fe80::1%eno1'],
      dnsSearch: ['example.net', 'corp.example'],
      networkRenderer: 'netplan/networkd',
    });
    expect(idText(manifest.machineId)).toBe(MACHINE);
    expect([manifest.processors > 0, manifest.memoryBytes > 0n]).toEqual([true, true]);
    expect(manifest.disks).toMatchObject([
      {
        name: 'nvme0n1',
        size: 512110190592n,
        logicalSectorSize: 512,
        physicalSectorSize: 4096,
        serial: 'S675NX0R123456',
        model: 'SAMSUNG MZVL2512HCJQ-00B00',
        wwn: 'eui.002538b911b1',
        order: 0,
        boot: true,
        partitionTable: 'gpt',
        partitions: [
          {
            number: 1,
            offset: 1048576n,
            length: 536870912n,
            type: ESP,
            uuid: '11-1',
            label: 'EFI  System',
            content: 'vfat',
            contentUuid: 'AB-CD',
            mountPoints: ['/boot/efi'],
          },
          { number: 2, offset: 537919488n, type: LVM, label: 'system', content: 'LVM2_member', mountPoints: [] },
        ],
      },
    ]);
    expect(manifest.networkInterfaces).toMatchObject([
      { name: 'br0', addresses: ['198.51.100.1/30'], method: 'static', mtu: 9000 },
      { name: 'eno1', mac: '3c:ec:ef:01:02:03', addresses: ['192.0.2.10/24', '2001:db8::10/64'], method: 'dhcp', mtu: 1500 },
      { name: 'eno2', addresses: [], method: '' },
    ]);
    expect(manifest.routes.map(({ destination, gateway, interface: name, metric }) => [destination, gateway, name, metric])).toEqual([
      ['203.0.113.0/24', '2001:db8::1', 'br0', 0],
      ['default', '192.0.2.1', 'eno1', 100],
      ['default', 'fe80::ff', 'eno1', 1024],
    ]);
  });

  it('does without any tool and almost any file', async () => {
    const manifest = await collect(recordedSystem({ '/sys/class/block/nvme0n1/size': '8\n' }));
    expect(manifest.disks).toMatchObject([{ name: 'nvme0n1', size: 4096n, boot: false, partitionTable: '', partitions: [] }]);
    expect(manifest).toMatchObject({ firmware: Firmware.BIOS, secureBoot: false, routes: [], dnsServers: [], networkRenderer: '' });
  });

  it('knows other ways to configure a network', async () => {
    const rendererOf = async (files: Record<string, string>): Promise<string> => (await collect(recordedSystem(files))).networkRenderer;
    expect(await rendererOf({ '/run/NetworkManager/conf.d': '' })).toBe('NetworkManager');
    expect(await rendererOf({ '/etc/network/interfaces': 'auto lo\niface lo inet loopback\n' })).toBe('');
    expect(await rendererOf({ '/etc/network/interfaces': 'iface lo inet loopback\niface eth0 inet dhcp\n' })).toBe('ifupdown');
  });

  it('keeps its id as long as it says the same, and only so long', async () => {
    const system = recordedSystem(FILES, ANSWERS);
    const first = await collect(system);
    const last = { id: idText(first.id), identity: manifestIdentity(first) };
    const options = { machineId: MACHINE, disks: [{ id: DISK, path: '/dev/none/nvme0n1' }], last };
    expect((await collectManifest({ ...options, system })).id).toEqual(first.id);
    const renamed = recordedSystem({ ...FILES, '/etc/resolv.conf': 'nameserver 192.0.2.54\n' }, ANSWERS);
    expect((await collectManifest({ ...options, system: renamed })).id).not.toEqual(first.id);
    const other = clone(ManifestSchema, first);
    other.id = new Uint8Array(16);
    expect(manifestIdentity(other)).toBe(last.identity);
  });

  it('takes anything from its tools and gives a valid, bounded manifest', async () => {
    const junk = fc.oneof(fc.jsonValue(), fc.string(), fc.constant(undefined), fc.constantFrom(LSBLK, ADDRESSES, ANSWERS['ip -j route']));
    await fc.assert(
      fc.asyncProperty(
        fc.array(junk, { minLength: 4, maxLength: 4 }),
        fc.dictionary(fc.constantFrom(...Object.keys(FILES)), fc.string()),
        async (answers, files) => {
          const commands = Object.keys(ANSWERS);
          const system = recordedSystem(
            { ...FILES, ...files },
            Object.fromEntries(commands.map((command, index) => [command, answers[index]])),
          );
          const manifest = await collect(system);
          expect(manifestIdentity(manifest)).toMatch(/^[0-9a-f]{64}$/);
        },
      ),
      { numRuns: 300 },
    );
    const long = recordedSystem({ '/etc/os-release': `ID=${'x'.repeat(100_000)}` }, { 'ip -j addr': Array(5000).fill(ADDRESSES[1]) });
    const manifest = await collect(long);
    expect([manifest.operatingSystem?.id.length, manifest.networkInterfaces.length]).toEqual([512, 1024]);
  });

  it('describes an image file by its partition table', async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'image-'));
    const file = path.join(directory, 'disk.img');
    fs.writeFileSync(file, Buffer.alloc(4096));
    const start = { start: 2048, size: 4096, type: ESP.toUpperCase(), uuid: 'AAAA-1', name: 'EFI' };
    const system = recordedSystem(
      {},
      {
        [`sfdisk --json ${file}`]: { partitiontable: { label: 'gpt', sectorsize: 512, partitions: [{ node: `${file}1`, ...start }] } },
        [`blkid --probe --offset 1048576 --output export ${file}`]: 'DEVNAME=x\nUUID=12-34\nTYPE=vfat\n',
        [`blkid --probe --offset 0 --output export ${file}`]: 'PTTYPE=gpt\n',
      },
    );
    const { disks } = await collect(system, file);
    expect(disks).toMatchObject([
      {
        name: 'disk.img',
        size: 4096n,
        partitionTable: 'gpt',
        partitions: [
          { number: 1, offset: 1048576n, length: 2097152n, type: ESP, uuid: 'aaaa-1', label: 'EFI', content: 'vfat', contentUuid: '12-34' },
        ],
      },
    ]);
    const bare = await collect(recordedSystem({}, { [`blkid --probe --offset 0 --output export ${file}`]: 'TYPE=ext4\nUUID=e4\n' }), file);
    expect(bare.disks[0]?.partitions).toMatchObject([{ number: 0, offset: 0n, length: 4096n, content: 'ext4', contentUuid: 'e4' }]);
    fs.rmSync(directory, { recursive: true });
  });

  it('asks a real tool no longer than it takes and misses a missing one without a word', async () => {
    expect(await localSystem.run('no-such-tool-anywhere')).toBeUndefined();
    expect(await localSystem.run(process.execPath, '-e', 'process.exit(1)')).toBeUndefined();
    expect(await localSystem.run(process.execPath, '-e', 'console.log("x".repeat(9e6))')).toBeUndefined();
    expect(await localSystem.run(process.execPath, '-e', 'console.log(7)')).toBe('7\n');
    expect([localSystem.read('/no/such/file'), localSystem.list('/no/such/directory')]).toEqual([undefined, []]);
  });
});
