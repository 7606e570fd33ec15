import type { GuestDisk } from './disks.ts';
import { type QemuPlan, qemuArguments } from './qemu-arguments.ts';

const disk = (bus: GuestDisk['bus'], path: string): GuestDisk => ({
  bus,
  serial: `${bus}-disk`,
  path,
  device: `/dev/disk/by-serial/${bus}-disk`,
  driver: path.startsWith('/dev/') ? 'host_device' : 'file',
});

const plan: QemuPlan = {
  image: { kernel: '/i/vmlinux', initrd: '/i/initrd', root: '/i/root.ext4', release: '6.1' },
  memoryMiB: 512,
  processors: 1,
  disks: [disk('virtio', '/a,b.raw'), disk('nvme', '/c.raw'), disk('scsi', '/dev/loop7')],
  shares: [{ tag: 'share0', path: '/with,comma', writable: false }],
  network: 'none',
  uuid: '01234567-89ab-cdef-0123-456789abcdef',
  consoleLog: '/t/console.log',
  append: 'quiet',
};

const valuesOf = (option: string, args: readonly string[]): string[] => args.filter((_, index) => args[index - 1] === option);
const objectsOf = (option: string, args: readonly string[]): Record<string, unknown>[] =>
  valuesOf(option, args)
    .filter((value) => value.startsWith('{'))
    .map((value) => JSON.parse(value));

it('gives every disk its block node and its device, under its serial', () => {
  const args = qemuArguments(plan);
  const nodes = objectsOf('-blockdev', args);
  expect(nodes.map((node) => [node['node-name'], node['file']])).toEqual([
    ['holdfast-root', { driver: 'file', filename: '/i/root.ext4', 'read-only': true }],
    ['virtio-disk', { driver: 'file', filename: '/a,b.raw', discard: 'unmap' }],
    ['nvme-disk', { driver: 'file', filename: '/c.raw', discard: 'unmap' }],
    ['scsi-disk', { driver: 'host_device', filename: '/dev/loop7', discard: 'unmap' }],
  ]);
  const devices = objectsOf('-device', args).filter(({ drive }) => drive !== undefined && drive !== 'holdfast-root');
  expect(devices.map(({ driver, drive, serial }) => [driver, drive, serial])).toEqual([
    ['virtio-blk-pci', 'virtio-disk', 'virtio-disk'],
    ['nvme', 'nvme-disk', 'nvme-disk'],
    ['scsi-hd', 'scsi-disk', 'scsi-disk'],
  ]);
});

it('doubles commas where QEMU would end a value at them', () => {
  expect(valuesOf('-virtfs', qemuArguments(plan))[0]).toContain('path=/with,,comma,');
});

it('has a network only when asked', () => {
  expect(valuesOf('-netdev', qemuArguments(plan))).toEqual([]);
  expect(valuesOf('-netdev', qemuArguments({ ...plan, network: 'user' }))).toHaveLength(1);
});

it('keeps the identity and takes words for the kernel', () => {
  const [words] = valuesOf('-append', qemuArguments(plan));
  expect(words).toContain('systemd.machine_id=0123456789abcdef0123456789abcdef');
  expect(words).toMatch(/ quiet$/);
});
