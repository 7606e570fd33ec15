import os from 'node:os';
import { create } from '@bufbuild/protobuf';
import type { TracedDevice } from '@holdfast/mobility-agent';
import { DiskSchema, idBytes, type Manifest, ManifestSchema, newId } from '@holdfast/protocol';

export interface ManifestQuestion {
  readonly machineId: string;
  readonly machineName: string;
  readonly disks: readonly { readonly id: string; readonly device: TracedDevice }[];
}

/** What the lab's machine is: its name and its disks. It runs on the kernel of the machine that stages it. */
export const labManifest = ({ machineId, machineName, disks }: ManifestQuestion): Manifest =>
  create(ManifestSchema, {
    id: idBytes(newId()),
    machineId: idBytes(machineId),
    machineName,
    operatingSystem: { family: os.platform(), kernel: os.release(), architecture: os.machine() },
    processors: os.availableParallelism(),
    memoryBytes: BigInt(os.totalmem()),
    disks: disks.map(({ id, device }, order) =>
      create(DiskSchema, {
        id: idBytes(id),
        name: device.name,
        size: BigInt(device.size),
        logicalSectorSize: device.logicalBlockSize,
        serial: device.serial,
        order,
      }),
    ),
  });
