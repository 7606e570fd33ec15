import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Firmware, idBytes, ManifestSchema } from '@holdfast/protocol';
import type { RecoveryPoint } from '@holdfast/vault';
import { shapeOfPoint } from './shape-of-point.ts';

const [A, B] = ['a1'.repeat(16), 'b2'.repeat(16)];
const GIB = 2 ** 30;

const shapeOf = (
  manifest: MessageInitShape<typeof ManifestSchema> | undefined,
  more: Partial<Parameters<typeof shapeOfPoint>[0]> = {},
): ReturnType<typeof shapeOfPoint> => {
  const point = { id: 'p', time: 0, manifest: manifest && create(ManifestSchema, manifest) } as RecoveryPoint;
  const disks = [A, B].map((id, at) => ({ id, name: `sd${'ab'[at]}`, size: GIB, generationId: '' }));
  return shapeOfPoint({
    point,
    disks,
    socket: '/s',
    exportOf: ({ id }) => id,
    hardware: {},
    network: { kind: 'isolated', forwards: [{ guestPort: 22, hostPort: 2222 }] },
    adaptation: undefined,
    host: { cpus: 4, memoryBytes: 8 * GIB },
    ...more,
  });
};

it('is like the source, and no more than the host has', () => {
  const shape = shapeOf({ firmware: Firmware.UEFI, processors: 64, memoryBytes: BigInt(512 * GIB), operatingSystem: { family: 'linux' } });
  expect(shape).toMatchObject({ cpus: 4, memoryBytes: 6 * GIB, firmware: 'uefi' });
  expect(shapeOf({ processors: 2, memoryBytes: BigInt(GIB) })).toMatchObject({ cpus: 2, memoryBytes: GIB, firmware: 'bios' });
  expect(shapeOf(undefined)).toMatchObject({ cpus: 2, memoryBytes: 2 * GIB, firmware: 'bios' });
});

it('keeps what tells disks apart, and starts from the one with the boot loader', () => {
  const { disks } = shapeOf({
    disks: [
      { id: idBytes(A), serial: 'WD-1234' },
      { id: idBytes(B), serial: 'not fit\nfor a disk', boot: true, logicalSectorSize: 4096 },
    ],
  });
  expect(disks[0]).toMatchObject({ id: A, serial: 'WD-1234', source: { kind: 'nbd', socket: '/s', export: A } });
  expect(disks[0]).not.toHaveProperty('boot');
  expect(disks[1]).toMatchObject({ boot: true, sectorBytes: 4096 });
  expect(disks[1]).not.toHaveProperty('serial');
});

it('takes the controller that was asked for, else what adaptation chose, else what the system surely drives', () => {
  const controllers = (...args: Parameters<typeof shapeOf>): string[] => shapeOf(...args).disks.map(({ controller }) => controller);
  expect(controllers({ operatingSystem: { family: 'linux' } })).toEqual(['virtio', 'virtio']);
  expect(controllers({ operatingSystem: { family: 'windows' } })).toEqual(['sata', 'sata']);
  const adaptation = { controller: 'pvscsi', report: [] } as const;
  expect(controllers(undefined, { adaptation })).toEqual(['pvscsi', 'pvscsi']);
  expect(controllers(undefined, { adaptation, hardware: { controller: 'nvme' } })).toEqual(['nvme', 'nvme']);
  // SATA has no sectors of 4 KiB.
  expect(controllers({ disks: [{ id: idBytes(A), logicalSectorSize: 4096 }] }, { hardware: { controller: 'sata' } })).toEqual([
    'scsi',
    'scsi',
  ]);
});

it('forwards ports to one card only', () => {
  const macs = ['52:54:00:00:00:01', '52:54:00:00:00:02'];
  const { networks } = shapeOf({ networkInterfaces: macs.map((mac, at) => ({ name: `eth${at}`, mac, addresses: ['192.0.2.1/24'] })) });
  expect(networks.map(({ attachment }) => attachment)).toEqual([
    { kind: 'isolated', forwards: [{ guestPort: 22, hostPort: 2222 }] },
    { kind: 'isolated' },
  ]);
  expect(shapeOf(undefined).networks).toHaveLength(1);
});
