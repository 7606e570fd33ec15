// A vault with one machine whose disks hold given images, at one point.
import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE, contentDigest, createFrame, FRAME_DATA_LIMIT, serializeFrame } from '@holdfast/block';
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
import { SAMPLE_START } from './sample-vault.ts';

/** Fills a vault that exists. `images` by the name of the disk. Resolves to the id of the point. */
export const fillFromImages = async (store: ObjectStore, key: VaultKey, images: ReadonlyMap<string, Buffer>): Promise<string> => {
  const machineId = newId();
  const cutId = idBytes(newId());
  const pointId = newId();
  const instant = { unixNanos: BigInt(SAMPLE_START) * 1_000_000n };
  const disks = [...images].map(([name, image]) => ({ name, image, id: idBytes(newId()), generation: idBytes(newId()) }));
  const frames = await Promise.all(disks.map(({ image }) => framesOf(image)));
  const epochs = disks.map(({ id, generation, image }, at) =>
    create(EpochSchema, {
      diskId: id,
      generationId: generation,
      cutId,
      diskSize: BigInt(image.length),
      instant,
      contentDigest: contentDigest(frames[at]!),
      frameCount: BigInt(frames[at]!.length),
    }),
  );
  const manifest = create(ManifestSchema, {
    id: idBytes(newId()),
    machineId: idBytes(machineId),
    machineName: 'db1',
    disks: disks.map(({ id, name, image }, order) => ({ id, name, size: BigInt(image.length), order })),
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
  const vault = await openVault(store, key);
  await registerMachine(vault, { id: machineId, name: 'db1' });
  const writer = await openLogWriter(vault, machineId);
  await writer.append({
    cut,
    frames: async function* (index) {
      yield* frames[index]!;
    },
  });
  await writer.close();
  vault.keys.clear();
  return pointId;
};

/** What of the image is not zero. */
const framesOf = async (image: Buffer): Promise<Uint8Array[]> => {
  const frames: Uint8Array[] = [];
  const zero = Buffer.alloc(BLOCK_SIZE);
  let blocks: number[] = [];
  const flush = async (): Promise<void> => {
    if (blocks.length === 0) return;
    const extents = blocks.map((offset) => ({ offset, length: BLOCK_SIZE, kind: 'data' as const }));
    frames.push(
      serializeFrame(await createFrame(extents, Buffer.concat(blocks.map((offset) => image.subarray(offset, offset + BLOCK_SIZE))))),
    );
    blocks = [];
  };
  for (let offset = 0; offset < image.length; offset += BLOCK_SIZE) {
    if (image.subarray(offset, offset + BLOCK_SIZE).equals(zero)) continue;
    blocks.push(offset);
    if (blocks.length * BLOCK_SIZE >= FRAME_DATA_LIMIT) await flush();
  }
  await flush();
  return frames;
};
