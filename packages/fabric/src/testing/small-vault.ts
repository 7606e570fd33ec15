// A vault in memory with one machine of one disk, at one point.
import { create } from '@bufbuild/protobuf';
import { contentDigest, createFrame, serializeFrame } from '@holdfast/block';
import { createMemoryStore } from '@holdfast/object-store';
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
import { createVault, openLogWriter, registerMachine, type Vault } from '@holdfast/vault';

export interface SmallVault {
  readonly vault: Vault;
  readonly machineId: string;
  readonly pointId: string;
  readonly diskId: string;
  /** What the disk's first block holds; the rest of it is zeroes. */
  readonly content: Buffer;
}

const SIZE = 2 ** 20;

export const createSmallVault = async (): Promise<SmallVault> => {
  const vault = await createVault(createMemoryStore(), { name: 'small', keys: [{ kind: 'key-file', secret: Buffer.alloc(32, 1) }] });
  const [machineId, diskId, generationId, cutId, pointId] = [newId(), newId(), newId(), newId(), newId()];
  const content = Buffer.alloc(4096, 'what was saved; ');
  const frame = serializeFrame(await createFrame([{ offset: 0, length: content.length, kind: 'data' }], content, 'lz4'));
  const instant = { unixNanos: 1_700_000_000_000_000_000n };
  const manifest = create(ManifestSchema, {
    id: idBytes(newId()),
    machineId: idBytes(machineId),
    machineName: 'db1',
    processors: 1,
    memoryBytes: BigInt(2 ** 28),
    disks: [{ id: idBytes(diskId), name: 'sda', size: BigInt(SIZE), boot: true }],
  });
  const epoch = create(EpochSchema, {
    diskId: idBytes(diskId),
    generationId: idBytes(generationId),
    cutId: idBytes(cutId),
    diskSize: BigInt(SIZE),
    instant,
    contentDigest: contentDigest([frame]),
    frameCount: 1n,
  });
  const { generationId: generation, number } = epoch;
  const cut = create(CutSchema, {
    id: idBytes(cutId),
    machineId: idBytes(machineId),
    manifest,
    epochs: [epoch],
    generations: [
      create(GenerationSchema, {
        id: idBytes(generationId),
        diskId: idBytes(diskId),
        reason: GenerationReason.FIRST_COPY,
        origin: Origin.SOURCE,
      }),
    ],
    point: create(PointSchema, {
      id: idBytes(pointId),
      cutId: idBytes(cutId),
      kind: PointKind.CRASH,
      instant,
      members: [{ diskId: idBytes(diskId), epoch: { generationId: generation, number } }],
      manifestId: manifest.id,
    }),
  });
  await registerMachine(vault, { id: machineId, name: 'db1' });
  const writer = await openLogWriter(vault, machineId);
  await writer.append({
    cut,
    frames: async function* () {
      yield frame;
    },
  });
  await writer.close();
  return { vault, machineId, pointId, diskId, content };
};
