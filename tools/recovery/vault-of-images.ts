// A vault with one machine whose disks hold given images, at one point: as a process server writes it, without the way there.
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE, createFrame, FRAME_DATA_LIMIT, serializeFrame } from '@holdfast/block';
import {
  CutSchema,
  EpochSchema,
  Firmware,
  GenerationReason,
  GenerationSchema,
  idBytes,
  ManifestSchema,
  newId,
  Origin,
  PointKind,
  PointSchema,
} from '@holdfast/protocol';
import { openLogWriter, registerMachine, type Vault } from '@holdfast/vault';

export interface ImageDisk {
  readonly name: string;
  /** A raw image; what is behind its end is zeroes. */
  readonly path: string;
  /** That of the image unless told; may be far larger. */
  readonly size?: number;
}

export interface ImageMachine {
  readonly name: string;
  readonly disks: readonly ImageDisk[];
  readonly firmware?: 'bios' | 'uefi';
  readonly memoryBytes?: number;
  readonly processors?: number;
}

export interface VaultedMachine {
  readonly machineId: string;
  readonly pointId: string;
}

const MAC = '52:54:00:48:46:01';

/** Registers a machine and appends one point of it. */
export const addMachineOfImages = async (
  vault: Vault,
  { name, disks: images, firmware = 'bios', memoryBytes = 256 * 2 ** 20, processors = 1 }: ImageMachine,
): Promise<VaultedMachine> => {
  const machineId = newId();
  const cutId = idBytes(newId());
  const pointId = newId();
  const instant = { unixNanos: BigInt(Date.now()) * 1_000_000n };
  const disks: (ImageDisk & {
    readonly frames: readonly Uint8Array[];
    readonly size: number;
    readonly id: Uint8Array;
    readonly generation: Uint8Array;
  })[] = [];
  for (const image of images) {
    const { frames, size } = await framesOf(image.path);
    disks.push({ ...image, frames, size: image.size ?? size, id: idBytes(newId()), generation: idBytes(newId()) });
  }
  const epochs = disks.map(({ id, generation, size, frames }) =>
    create(EpochSchema, {
      diskId: id,
      generationId: generation,
      cutId,
      diskSize: BigInt(size),
      instant,
      contentDigest: frames.reduce((hash, frame) => hash.update(frame), createHash('sha256')).digest(),
      frameCount: BigInt(frames.length),
    }),
  );
  const manifest = create(ManifestSchema, {
    id: idBytes(newId()),
    machineId: idBytes(machineId),
    machineName: name,
    operatingSystem: { family: 'linux', prettyName: 'Mini image' },
    firmware: firmware === 'uefi' ? Firmware.UEFI : Firmware.BIOS,
    processors,
    memoryBytes: BigInt(memoryBytes),
    disks: disks.map(({ id, name: disk, size }, order) => ({ id, name: disk, size: BigInt(size), order, boot: order === 0 })),
    networkInterfaces: [{ name: 'eth0', mac: MAC, addresses: ['192.0.2.10/24'], method: 'dhcp', mtu: 1500 }],
  });
  const cut = create(CutSchema, {
    id: cutId,
    machineId: idBytes(machineId),
    manifest,
    epochs,
    generations: disks.map(({ id, generation }) =>
      create(GenerationSchema, { id: generation, diskId: id, reason: GenerationReason.FIRST_COPY, origin: Origin.SOURCE }),
    ),
    point: create(PointSchema, {
      id: idBytes(pointId),
      cutId,
      kind: PointKind.CRASH,
      instant,
      members: epochs.map(({ diskId, generationId, number }) => ({ diskId, epoch: { generationId, number } })),
      manifestId: manifest.id,
    }),
  });
  await registerMachine(vault, { id: machineId, name });
  const writer = await openLogWriter(vault, machineId);
  await writer.append({
    cut,
    frames: async function* (index) {
      yield* disks[index]!.frames;
    },
  });
  await writer.close();
  return { machineId, pointId };
};

const CHUNK = 1024 * 1024;
const ZERO = Buffer.alloc(BLOCK_SIZE);

/** What of the image is not zero. */
const framesOf = async (path: string): Promise<{ readonly frames: Uint8Array[]; readonly size: number }> => {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const frames: Uint8Array[] = [];
  let blocks: { readonly offset: number; readonly data: Buffer }[] = [];
  const flush = async (): Promise<void> => {
    if (blocks.length === 0) return;
    const extents = blocks.map(({ offset, data }) => ({ offset, length: data.length, kind: 'data' as const }));
    frames.push(serializeFrame(await createFrame(extents, Buffer.concat(blocks.map(({ data }) => data)), 'lz4')));
    blocks = [];
  };
  for (let at = 0; at < size; at += CHUNK) {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(CHUNK, size - at)), 0, undefined, at);
    for (let from = 0; from < bytesRead; from += BLOCK_SIZE) {
      const data = buffer.subarray(from, Math.min(from + BLOCK_SIZE, bytesRead));
      if (data.equals(ZERO.subarray(0, data.length))) continue;
      blocks.push({ offset: at + from, data });
      if (blocks.length * BLOCK_SIZE >= FRAME_DATA_LIMIT) await flush();
    }
  }
  await flush();
  return { frames, size };
};
