import { cpus, freemem } from 'node:os';
import { Firmware, idText, type Manifest } from '@holdfast/protocol';
import type { PointDisk, RecoveryPoint } from '@holdfast/vault';
import { sourceInterfaces } from '../adapt/rules/network.ts';
import type { DiskController, DiskShape, MachineFirmware, MachineShape, NetworkModel, NetworkShape } from '../machine-shape.ts';
import type { Adaptation, RecoverMachineOptions } from './recovery.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** Of a machine whose manifest does not say. */
const USUAL = { cpus: 2, memoryBytes: 2 * GIB };
const SMALLEST_MEMORY = 128 * MIB;
/** Left to the host and to others. */
const MEMORY_SHARE = 0.75;
const MOST_ON_VIRTIO = 20;
const SERIAL = /^[\w.: -]{1,20}$/;

export interface ShapeRequest {
  readonly point: RecoveryPoint;
  readonly disks: readonly PointDisk[];
  readonly socket: string;
  readonly exportOf: (disk: PointDisk) => string;
  readonly hardware: NonNullable<RecoverMachineOptions['hardware']>;
  readonly network: RecoverMachineOptions['network'];
  readonly adaptation: Adaptation | undefined;
  /** For tests; the host's unless told. */
  readonly host?: { readonly cpus: number; readonly memoryBytes: number };
}

export const firmwareOf = (manifest: Manifest | undefined, hardware: ShapeRequest['hardware']): MachineFirmware =>
  hardware.firmware ?? (manifest?.firmware === Firmware.UEFI ? 'uefi' : 'bios');

/** Linux drives virtio from any initramfs that is not made for one machine; of others only SATA and Intel's cards are sure. */
const isLinux = (manifest: Manifest | undefined): boolean =>
  manifest === undefined || ['', 'linux'].includes(manifest.operatingSystem?.family ?? '');

const controllerOf = (disks: readonly DiskShapeBasis[], wanted: DiskController): DiskController => {
  if (wanted === 'sata' && disks.some(({ sectorBytes }) => sectorBytes === 4096)) return 'scsi';
  return wanted === 'virtio' && disks.length > MOST_ON_VIRTIO ? 'scsi' : wanted;
};

type DiskShapeBasis = Pick<DiskShape, 'id' | 'size' | 'serial' | 'boot' | 'sectorBytes' | 'source'>;

const disksOf = ({ point: { manifest }, disks, socket, exportOf }: ShapeRequest): DiskShapeBasis[] => {
  const known = new Map(manifest?.disks.map((disk) => [idText(disk.id), disk]));
  return disks.map((disk) => {
    const told = known.get(disk.id);
    return {
      id: disk.id,
      size: disk.size,
      source: { kind: 'nbd', socket, export: exportOf(disk) },
      ...(told !== undefined && SERIAL.test(told.serial) && { serial: told.serial }),
      ...(told?.boot && { boot: true }),
      ...(told?.logicalSectorSize === 4096 && { sectorBytes: 4096 }),
    };
  });
};

/** A card for each that the source had, with the address that adaptation gave it; without adaptation that of the source: systems name their interfaces by it. */
const networksOf = ({ point: { manifest }, network, adaptation }: ShapeRequest, model: NetworkModel): NetworkShape[] => {
  const macs = sourceInterfaces(manifest).map(({ mac }, index) => adaptation?.macs?.[index] ?? mac.toLowerCase());
  const cards = macs.length === 0 ? [{}] : macs.map((mac) => ({ mac }));
  return cards.map((card, index) => {
    // A port of this host leads to one card only.
    const attachment = network.kind === 'isolated' && index > 0 ? ({ kind: 'isolated' } as const) : network;
    return { model, ...card, attachment };
  });
};

/** The hardware for a point: like the source's, no more than the host has, with controllers that its system can drive. */
export const shapeOfPoint = (request: ShapeRequest): MachineShape => {
  const { point, hardware, adaptation, host = { cpus: cpus().length, memoryBytes: freemem() } } = request;
  const { manifest } = point;
  const usual = isLinux(manifest)
    ? ({ controller: 'virtio', model: 'virtio' } as const)
    : ({ controller: 'sata', model: 'e1000e' } as const);
  const disks = disksOf(request);
  const controller = controllerOf(disks, hardware.controller ?? adaptation?.controller ?? usual.controller);
  const told = { cpus: manifest?.processors || USUAL.cpus, memoryBytes: Number(manifest?.memoryBytes ?? 0n) || USUAL.memoryBytes };
  const memoryBytes = hardware.memoryBytes ?? Math.min(told.memoryBytes, host.memoryBytes * MEMORY_SHARE);
  return {
    cpus: hardware.cpus ?? Math.max(1, Math.min(told.cpus, host.cpus)),
    memoryBytes: Math.max(SMALLEST_MEMORY, Math.floor(memoryBytes / MIB) * MIB),
    firmware: firmwareOf(manifest, hardware),
    disks: disks.map((disk) => ({ ...disk, controller })),
    networks: networksOf(request, hardware.networkModel ?? adaptation?.networkModel ?? usual.model),
  };
};
