import { create } from '@bufbuild/protobuf';
import { type Manifest, ManifestSchema } from '@holdfast/protocol';
import type { OpenGuest } from '../mount/open-guest.ts';
import type { Volume } from '../mount/volumes.ts';
import type { PlanOptions } from '../plan-adaptation.ts';
import { archiveOf, modulePaths } from './archive.ts';
import { memoryTree } from './memory-tree.ts';

export const ROOT_UUID = '11111111-2222-3333-4444-555555555555';
export const DATA_UUID = 'aaaaaaaa-2222-3333-4444-555555555555';

export const sampleManifest = (): Manifest =>
  create(ManifestSchema, {
    machineName: 'db1',
    disks: [
      { name: 'sda', serial: 'WD-1234', partitions: [{ number: 2, mountPoints: ['/'] }] },
      { name: 'sdb', serial: 'WD-5678' },
    ],
    networkInterfaces: [
      { name: 'ens192', mac: '00:50:56:AA:BB:CC', addresses: ['192.0.2.10/24'], method: 'static' },
      { name: 'ens224', mac: '00:50:56:aa:bb:dd', addresses: [], method: '' },
    ],
  });

const volume = (name: string, changes: Partial<Volume>): Volume => ({
  name,
  diskId: name.slice(0, 3),
  file: '',
  partition: Number(name.slice(3)),
  offset: 0,
  size: 1,
  type: 'ext4',
  uuid: '',
  label: '',
  partUuid: `part-${name}`,
  esp: false,
  ...changes,
});

const SAMPLE_VOLUMES: readonly Volume[] = [
  volume('sda1', { type: 'vfat', uuid: 'ABCD-0123', esp: true }),
  volume('sda2', { uuid: ROOT_UUID }),
  volume('sdb1', { type: 'xfs', uuid: DATA_UUID }),
];

const DRIVERS = ['virtio_pci', 'virtio_blk', 'virtio_scsi', 'sd_mod', 'ahci', 'nvme', 'vmw_pvscsi'];

/** What is in /boot and /lib/modules of a kernel whose initramfs has these drivers. */
export const kernelFiles = (version: string, early = DRIVERS, late = ['virtio_net', 'e1000'], maker = 'conf/initramfs.conf') => ({
  [`/boot/vmlinuz-${version}`]: 'kernel',
  [`/boot/initrd.img-${version}`]: archiveOf([maker, ...modulePaths(version, early)]),
  [`/lib/modules/${version}/modules.builtin`]: 'kernel/fs/ext4/ext4.ko\n',
  [`/lib/modules/${version}/modules.dep`]: late.map((name) => `kernel/drivers/net/${name}.ko: kernel/x.ko\n`).join(''),
});

/** A machine of the files given. */
export const sampleGuest = (
  files: Readonly<Record<string, string | Uint8Array>>,
  esp?: Readonly<Record<string, string>>,
): OpenGuest & { readonly text: (path: string) => string | undefined; readonly espText: (path: string) => string | undefined } => {
  const tree = memoryTree({ '/etc/os-release': 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n', ...files });
  const espTree = esp && memoryTree(esp);
  return {
    volumes: SAMPLE_VOLUMES,
    linux: { root: SAMPLE_VOLUMES[1]!, tree },
    esp: espTree,
    notes: [],
    close: async () => {},
    text: tree.text,
    espText: (path) => espTree?.text(path),
  };
};

export const samplePlan = (changes: Partial<PlanOptions> = {}): PlanOptions => ({
  manifest: sampleManifest(),
  diskNames: ['sda', 'sdb'],
  firmware: 'bios',
  addresses: 'dhcp',
  pointTime: '2026-11-22T01:00:00.000Z',
  now: Date.UTC(2026, 10, 22, 2),
  ...changes,
});
