// A small vault for tests: one machine, two disks, three points. Made by the public face of the vault, as a process server would.
import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE, contentDigest, createFrame, type FrameExtent, serializeFrame } from '@holdfast/block';
import type { ObjectStore } from '@holdfast/object-store';
import {
  CutSchema,
  EpochSchema,
  GenerationReason,
  GenerationSchema,
  idBytes,
  ManifestSchema,
  newId,
  Origin,
  PointKind,
  PointSchema,
} from '@holdfast/protocol';
import { openLogWriter, openVault, registerMachine, type VaultKey } from '@holdfast/vault';

export interface SampleDisk {
  readonly id: string;
  readonly name: string;
  readonly size: number;
}

export interface SamplePoint {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** What each disk holds, by its name. */
  readonly contents: ReadonlyMap<string, Buffer>;
}

export interface SampleMachine {
  readonly id: string;
  readonly name: string;
  readonly disks: readonly SampleDisk[];
  /** Oldest first. */
  readonly points: readonly SamplePoint[];
}

export interface SampleOptions {
  readonly name?: string;
  /** A block of the first disk that could not be read, at every point. */
  readonly unreadableBlock?: number;
}

const MIB = 1024 * 1024;
/** 2026-11-22T01:00:00Z; points are a minute apart. */
export const SAMPLE_START = Date.UTC(2026, 10, 22, 1);
const MINUTE = 60_000;

/**
 * Fills a vault that exists. `sda` has 9 MiB and a short last block, data at its beginning and in its middle; `sdb` has 1 MiB and one block. Each point
 * has another block; the last one begins a new generation of `sdb`.
 */
export const fillSampleVault = async (
  store: ObjectStore,
  key: VaultKey,
  { name = 'db1', unreadableBlock }: SampleOptions = {},
): Promise<SampleMachine> => {
  const disks: SampleDisk[] = [
    { id: newId(), name: 'sda', size: 9 * MIB + 512 },
    { id: newId(), name: 'sdb', size: MIB },
  ];
  const machine = { id: newId(), name, disks };
  const contents = new Map(disks.map((disk) => [disk.name, Buffer.alloc(disk.size)]));
  const generations = new Map(disks.map((disk) => [disk.id, { id: newId(), number: 0 }]));
  const manifest = create(ManifestSchema, {
    id: idBytes(newId()),
    machineId: idBytes(machine.id),
    machineName: name,
    operatingSystem: { prettyName: 'Debian GNU/Linux 12 (bookworm)' },
    disks: disks.map((disk, order) => ({ id: idBytes(disk.id), name: disk.name, size: BigInt(disk.size), order })),
  });
  const vault = await openVault(store, key);
  await registerMachine(vault, machine);
  const writer = await openLogWriter(vault, machine.id);
  const points: SamplePoint[] = [];

  for (let round = 0; round < 3; round += 1) {
    const cutId = idBytes(newId());
    const time = SAMPLE_START + round * MINUTE;
    const instant = { unixNanos: BigInt(time) * 1_000_000n };
    const begun: { readonly disk: SampleDisk; readonly parent?: { generationId: Uint8Array; number: bigint } }[] = [];
    if (round === 0) begun.push(...disks.map((disk) => ({ disk })));
    if (round === 2) {
      const disk = disks[1]!;
      const { id, number } = generations.get(disk.id)!;
      begun.push({ disk, parent: { generationId: idBytes(id), number: BigInt(number - 1) } });
      generations.set(disk.id, { id: newId(), number: 0 });
    }
    const frames: Uint8Array[][] = [];
    const epochs = [];
    for (const disk of disks) {
      const offsets = disk.name === 'sda' ? [round * BLOCK_SIZE, 5 * MIB + round * 128 * 1024, 9 * MIB] : [round * BLOCK_SIZE];
      const extents: FrameExtent[] = offsets.map((offset) => ({ offset, length: Math.min(BLOCK_SIZE, disk.size - offset), kind: 'data' }));
      const data = Buffer.concat(extents.map(({ length }, at) => Buffer.alloc(length, `${disk.name} round ${round} extent ${at}; `)));
      let from = 0;
      for (const { offset, length } of extents) {
        data.copy(contents.get(disk.name)!, offset, from, from + length);
        from += length;
      }
      if (disk === disks[0] && unreadableBlock !== undefined)
        extents.push({ offset: unreadableBlock * BLOCK_SIZE, length: BLOCK_SIZE, kind: 'unreadable' });
      const serialized = [serializeFrame(await createFrame(extents, data, 'lz4'))];
      frames.push(serialized);
      const generation = generations.get(disk.id)!;
      epochs.push(
        create(EpochSchema, {
          diskId: idBytes(disk.id),
          generationId: idBytes(generation.id),
          number: BigInt(generation.number),
          cutId,
          diskSize: BigInt(disk.size),
          instant,
          contentDigest: contentDigest(serialized),
          frameCount: BigInt(serialized.length),
          dataBytes: BigInt(data.length),
          storedBytes: BigInt(serialized[0]!.length),
        }),
      );
      generation.number += 1;
    }
    const pointId = newId();
    const cut = create(CutSchema, {
      id: cutId,
      machineId: idBytes(machine.id),
      generations: begun.map(({ disk, parent }) =>
        create(GenerationSchema, {
          id: idBytes(generations.get(disk.id)!.id),
          diskId: idBytes(disk.id),
          reason: parent === undefined ? GenerationReason.FIRST_COPY : GenerationReason.RESYNCHRONIZATION,
          origin: Origin.SOURCE,
          ...(parent !== undefined && {
            parent: { ...parent, $typeName: 'holdfast.v1.EpochRef' as const },
            detail: 'the machine was restarted',
          }),
        }),
      ),
      epochs,
      point: create(PointSchema, {
        id: idBytes(pointId),
        cutId,
        kind: round === 1 ? PointKind.FILESYSTEM : PointKind.CRASH,
        instant,
        members: epochs.map(({ diskId, generationId, number }) => ({ diskId, epoch: { generationId, number } })),
        manifestId: manifest.id,
      }),
      ...(round === 0 && { manifest }),
    });
    await writer.append({
      cut,
      frames: async function* (index) {
        yield* frames[index]!;
      },
    });
    points.push({ id: pointId, time, contents: new Map([...contents].map(([disk, content]) => [disk, Buffer.from(content)])) });
  }
  await writer.close();
  vault.keys.clear();
  return { ...machine, points };
};
