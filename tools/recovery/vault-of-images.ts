// A vault with one machine whose disks hold given images, at one point: as a process server writes it, without the way there.
import { open, stat } from 'node:fs/promises';
import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE, contentDigest, createFrame, FRAME_DATA_LIMIT, serializeFrame } from '@holdfast/block';
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
import { type LogWriter, openLogWriter, registerMachine, type Vault } from '@holdfast/vault';

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
  /** So many further cuts of the first disk, five seconds from each other, each with some blocks behind the end of its image: its last one is the point. */
  readonly history?: number;
}

export interface VaultedMachine {
  readonly machineId: string;
  readonly pointId: string;
}

const MAC = '52:54:00:48:46:01';

/** Registers a machine and appends one point of it. */
export const addMachineOfImages = async (
  vault: Vault,
  { name, disks: images, firmware = 'bios', memoryBytes = 256 * 2 ** 20, processors = 1, history = 0 }: ImageMachine,
): Promise<VaultedMachine> => {
  const machineId = newId();
  const cutId = idBytes(newId());
  const pointId = newId();
  const now = Date.now();
  const instantOf = (number: number) => ({ unixNanos: BigInt(now - (history - number) * INTERVAL) * 1_000_000n });
  const instant = instantOf(0);
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
      contentDigest: contentDigest(frames),
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
  const newest = await appendHistory(writer, { machineId, manifestId: manifest.id, disks, history, instantOf });
  await writer.close();
  return { machineId, pointId: newest ?? pointId };
};

interface Begun {
  readonly machineId: string;
  readonly manifestId: Uint8Array;
  readonly disks: readonly { readonly path: string; readonly size: number; readonly id: Uint8Array; readonly generation: Uint8Array }[];
  readonly history: number;
  readonly instantOf: (number: number) => { readonly unixNanos: bigint };
}

/** Further cuts of the first disk; resolves to the last point, undefined when there are none. */
const appendHistory = async (
  writer: LogWriter,
  { machineId, manifestId, disks, history, instantOf }: Begun,
): Promise<string | undefined> => {
  const [{ id: diskId, generation: generationId, size, path }] = disks as [Begun['disks'][number]];
  const from = Math.ceil((await stat(path)).size / BLOCK_SIZE);
  let newest: string | undefined;
  for (let number = 1; number <= history; ) {
    const appended: Promise<unknown>[] = [];
    for (; number <= history && appended.length < AT_ONCE; number += 1) {
      const frame = await scribble(from, Math.floor(size / BLOCK_SIZE), number);
      const cutId = idBytes(newId());
      const instant = instantOf(number);
      const epoch = create(EpochSchema, {
        ...{ diskId, generationId, number: BigInt(number), cutId, diskSize: BigInt(size), instant },
        dataBytes: BigInt(BLOCKS_OF_CUT * BLOCK_SIZE),
        contentDigest: contentDigest([frame]),
        frameCount: 1n,
      });
      newest = newId();
      const members = disks.map(({ id, generation }, index) => ({
        diskId: id,
        epoch: { generationId: generation, number: index === 0 ? BigInt(number) : 0n },
      }));
      const point = create(PointSchema, { id: idBytes(newest), cutId, kind: PointKind.CRASH, instant, members, manifestId });
      const cut = create(CutSchema, { id: cutId, machineId: idBytes(machineId), epochs: [epoch], point });
      const frames = async function* () {
        yield frame;
      };
      appended.push(writer.append({ cut, frames }));
    }
    await Promise.all(appended);
  }
  return newest;
};

/** Milliseconds from cut to cut. */
const INTERVAL = 5000;
const AT_ONCE = 200;
const BLOCKS_OF_CUT = 4;
/** Of blocks: far apart, the same each time it is made. */
const STRIDE = 7_368_787;

/** Some blocks anywhere from one on, as a small change of a machine. */
const scribble = async (from: number, blocks: number, number: number): Promise<Uint8Array> => {
  const chosen = new Set(
    Array.from({ length: BLOCKS_OF_CUT }, (_, index) => from + (((number * BLOCKS_OF_CUT + index) * STRIDE) % (blocks - from))),
  );
  const extents = [...chosen]
    .toSorted((a, b) => a - b)
    .map((block) => ({ offset: block * BLOCK_SIZE, length: BLOCK_SIZE, kind: 'data' as const }));
  const data = Buffer.alloc(extents.length * BLOCK_SIZE, `change ${number} `);
  return serializeFrame(await createFrame(extents, data, 'lz4'));
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
