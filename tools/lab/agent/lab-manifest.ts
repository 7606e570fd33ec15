import os from 'node:os';
import { create } from '@bufbuild/protobuf';
import { DiskSchema, idBytes, type Manifest, ManifestSchema, newId } from '@holdfast/protocol';

export interface ManifestDisk {
  readonly id: string;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly sectorSize: number;
  readonly serial: string;
}

/** What the lab's machine is: its name and its disks. It runs on the kernel of the machine that stages it. */
export const labManifest = (
  machine: { readonly machineId: string; readonly machineName: string },
  disks: readonly ManifestDisk[],
): Manifest =>
  create(ManifestSchema, {
    id: idBytes(newId()),
    machineId: idBytes(machine.machineId),
    machineName: machine.machineName,
    operatingSystem: { family: os.platform(), kernel: os.release(), architecture: os.machine() },
    processors: os.availableParallelism(),
    memoryBytes: BigInt(os.totalmem()),
    disks: disks.map(({ id, name, size, sectorSize, serial }, order) =>
      create(DiskSchema, { id: idBytes(id), name, size: BigInt(size), logicalSectorSize: sectorSize, serial, order }),
    ),
  });
