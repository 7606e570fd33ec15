import { HoldfastError } from '@holdfast/errors';
import type { MachineRequest } from '../fabric.ts';
import type { DiskController, DiskShape } from '../machine-shape.ts';
import { DISK_CONTROLLERS, NETWORK_MODELS } from '../machine-shape.ts';

const OPERATION = /^[0-9a-f]{32}$/;
const DISK_ID = /^[\w.-]{1,32}$/;
const SERIAL = /^[\w.: -]{1,20}$/;
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;
const BRIDGE = /^[\w.-]{1,15}$/;
const SECTOR = 512;

/** What one machine can have of each: slots of its bus, ports, addresses. */
const MOST_DISKS: Readonly<Record<DiskController, number>> = { virtio: 20, nvme: 20, scsi: 256, pvscsi: 63, sata: 60 };
const MOST_NETWORKS = 8;

const invalid = (thing: string, why: string, remedy: string): HoldfastError => new HoldfastError('SETTING_INVALID', { thing, why, remedy });
const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65_536;

/** Error: SETTING_INVALID. */
export const assertOperationId = (operationId: string): void => {
  if (!OPERATION.test(operationId))
    throw invalid(`operation ${JSON.stringify(operationId)}`, 'an id is 32 hexadecimal digits', 'correct it');
};

const checkDisk = ({ id, size, serial, controller, source, sectorBytes = SECTOR }: DiskShape): void => {
  const thing = `disk ${JSON.stringify(id)}`;
  if (!DISK_ID.test(id)) throw invalid(thing, 'its id is not 1 to 32 letters, digits, ".", "_" or "-"', 'choose another');
  if (serial !== undefined && !SERIAL.test(serial))
    throw invalid(thing, `its serial ${JSON.stringify(serial)} is not fit for a disk`, 'leave it out');
  if (!DISK_CONTROLLERS.includes(controller))
    throw invalid(thing, `there is no controller ${controller}`, `choose ${DISK_CONTROLLERS.join(', ')}`);
  if (!Number.isSafeInteger(size) || size <= 0 || size % sectorBytes !== 0)
    throw invalid(thing, `${size} bytes is no positive multiple of ${sectorBytes}`, 'correct its size');
  if (controller === 'sata' && sectorBytes !== SECTOR)
    throw invalid(thing, `SATA has sectors of ${SECTOR} bytes, and this disk of ${sectorBytes}`, 'choose another controller');
  if (source.kind === 'nbd' && Buffer.byteLength(source.socket) > 107)
    throw invalid(source.socket, 'a Unix socket has a path of 107 bytes at most', 'choose a shorter directory');
};

/** Refuses what QEMU would refuse later, or would take for something else. Error: SETTING_INVALID. */
export const validateRequest = ({ operationId, shape: { cpus, memoryBytes, disks, networks } }: MachineRequest): void => {
  assertOperationId(operationId);
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > 255) throw invalid('processors', `${cpus} is not 1 to 255`, 'correct the number');
  if (!Number.isSafeInteger(memoryBytes) || memoryBytes < 2 ** 24 || memoryBytes % 2 ** 20 !== 0)
    throw invalid('memory', `${memoryBytes} bytes is no multiple of 1 MiB, or less than 16 MiB`, 'correct it');
  if (disks.length === 0) throw invalid('machine', 'it has no disk to start from', 'give it one');
  for (const disk of disks) checkDisk(disk);
  if (new Set(disks.map(({ id }) => id)).size < disks.length) throw invalid('disks', 'two have the same id', 'choose others');
  for (const [controller, most] of Object.entries(MOST_DISKS)) {
    const count = disks.filter((disk) => disk.controller === controller).length;
    if (count > most) throw invalid('disks', `${count} do not fit on ${controller}, which takes ${most}`, 'choose scsi for some');
  }
  if (networks.length > MOST_NETWORKS) throw invalid('networks', `${networks.length} are more than ${MOST_NETWORKS}`, 'leave some out');
  for (const { model, mac, attachment } of networks) {
    if (!NETWORK_MODELS.includes(model)) throw invalid('network card', `there is no ${model}`, `choose ${NETWORK_MODELS.join(', ')}`);
    if (mac !== undefined && !MAC.test(mac))
      throw invalid('network card', `${JSON.stringify(mac)} is no address`, 'write it like 52:54:00:12:34:56');
    if (attachment.kind === 'bridge' && !BRIDGE.test(attachment.bridge))
      throw invalid('network card', `${JSON.stringify(attachment.bridge)} is no name of a bridge`, 'correct it');
    if (attachment.kind !== 'isolated') continue;
    for (const { guestPort, hostPort } of attachment.forwards ?? [])
      if (!isPort(guestPort) || !isPort(hostPort))
        throw invalid('forwarded port', `${hostPort} to ${guestPort} are no ports`, 'correct them');
  }
};
