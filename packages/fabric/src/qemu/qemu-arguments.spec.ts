import type { DiskController } from '../machine-shape.ts';
import { machineDirectory } from './machine-directory.ts';
import { type QemuPlan, qemuArguments } from './qemu-arguments.ts';

const ID = '0123456789abcdef0123456789abcdef';

const plan = (controllers: readonly DiskController[], more: Partial<QemuPlan> = {}): QemuPlan => ({
  request: {
    operationId: ID,
    name: 'db1',
    shape: {
      cpus: 2,
      memoryBytes: 2 ** 30,
      firmware: 'bios',
      disks: controllers.map((controller, at) => ({
        id: `disk-${at}`,
        size: 2 ** 20,
        controller,
        source: { kind: 'nbd', socket: '/r/nbd.sock', export: `e${at}` },
        ...(at === 1 && { boot: true }),
      })),
      networks: [
        { model: 'virtio', attachment: { kind: 'isolated', forwards: [{ guestPort: 22, hostPort: 2222 }] } },
        { model: 'e1000', mac: '52:54:00:00:00:09', attachment: { kind: 'bridge', bridge: 'br0' } },
      ],
    },
  },
  directory: machineDirectory('/v,m', ID),
  acceleration: 'tcg',
  version: 7.2,
  uefiCode: undefined,
  hydrated: controllers.map(() => false),
  held: false,
  ...more,
});

const valuesOf = (option: string, args: readonly string[]): string[] => args.filter((_, index) => args[index - 1] === option);
const objectsOf = (option: string, args: readonly string[]): Record<string, unknown>[] =>
  valuesOf(option, args)
    .filter((value) => value.startsWith('{'))
    .map((value) => JSON.parse(value));
const disksOf = (args: readonly string[]) => objectsOf('-device', args).filter(({ drive }) => drive !== undefined);

it('is found by its name, and is not its source', () => {
  const args = qemuArguments(plan(['virtio']));
  expect(valuesOf('-name', args)).toEqual([`guest=holdfast-${ID}`]);
  expect(valuesOf('-uuid', args)).toEqual(['01234567-89ab-cdef-0123-456789abcdef']);
});

it('has a port through which the agent inside says what it is, behind all else that has a place', () => {
  const devices = objectsOf('-device', qemuArguments(plan(['virtio'])));
  expect(devices.slice(-2)).toEqual([
    { driver: 'virtio-serial-pci' },
    { driver: 'virtserialport', chardev: 'agent', name: 'holdfast.recovered' },
  ]);
});

it('lays an overlay over each export, until all of it is copied', () => {
  const nodes = (hydrated: boolean[]) => objectsOf('-blockdev', qemuArguments(plan(['virtio', 'virtio'], { hydrated })));
  expect(nodes([false, true])).toEqual([
    expect.objectContaining({ driver: 'nbd', 'node-name': 'base0', export: 'e0', 'read-only': true, 'reconnect-delay': 5 }),
    expect.objectContaining({ driver: 'qcow2', 'node-name': 'disk0', backing: 'base0' }),
    expect.objectContaining({ driver: 'qcow2', 'node-name': 'disk1', backing: null }),
  ]);
});

it.each<[DiskController, string[]]>([
  ['virtio', ['virtio-blk-pci', 'virtio-blk-pci']],
  ['sata', ['ide-hd', 'ide-hd']],
  ['scsi', ['scsi-hd', 'scsi-hd']],
  ['pvscsi', ['scsi-hd', 'scsi-hd']],
])('pauses a machine with %s disks before it sees an error', (controller, drivers) => {
  const disks = disksOf(qemuArguments(plan([controller, controller])));
  expect(disks.map(({ driver }) => driver)).toEqual(drivers);
  expect(disks.map(({ rerror, werror }) => [rerror, werror])).toEqual([
    ['stop', 'stop'],
    ['stop', 'stop'],
  ]);
});

it('starts from the disk with the boot loader, in whatever place it is', () => {
  const [first, second] = disksOf(qemuArguments(plan(['virtio', 'virtio'])));
  expect(Number(second!['bootindex'])).toBeLessThan(Number(first!['bootindex']));
});

it('has six disks on each SATA controller, and no PVSCSI disk in place of the controller', () => {
  const sata = disksOf(qemuArguments(plan(Array<DiskController>(8).fill('sata'))));
  expect(sata.map(({ bus }) => bus)).toEqual(['ahci0.0', 'ahci0.1', 'ahci0.2', 'ahci0.3', 'ahci0.4', 'ahci0.5', 'ahci1.0', 'ahci1.1']);
  const pvscsi = disksOf(qemuArguments(plan(Array<DiskController>(9).fill('pvscsi'))));
  expect(pvscsi.map((disk) => disk['scsi-id'])).toEqual([0, 1, 2, 3, 4, 5, 6, 8, 9]);
});

it('lets nothing out of an isolated network', () => {
  const [isolated, bridged] = valuesOf('-netdev', qemuArguments(plan(['virtio'])));
  expect(isolated).toBe('user,id=network0,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22');
  expect(bridged).toMatch(/^tap,id=network1,ifname=hf\w{1,13},script=no/);
  const cards = objectsOf('-device', qemuArguments(plan(['virtio']))).filter(({ netdev }) => netdev !== undefined);
  expect(cards.map(({ mac }) => mac)).toEqual(['52:54:01:23:45:00', '52:54:00:00:00:09']);
});

it('runs processors in threads only where QEMU can', () => {
  const accelOf = (more: Partial<QemuPlan>): string[] => valuesOf('-accel', qemuArguments(plan(['virtio'], more)));
  expect(accelOf({})).toEqual(['tcg,thread=single']);
  expect(accelOf({ version: 8.2 })).toEqual(['tcg,thread=multi']);
  expect(accelOf({ acceleration: 'kvm' })).toEqual(['kvm']);
});

it('doubles commas where QEMU would end a value at them', () => {
  expect(valuesOf('-chardev', qemuArguments(plan(['virtio'])))[0]).toContain(`path=/v,,m/${ID}/qmp.sock`);
});
