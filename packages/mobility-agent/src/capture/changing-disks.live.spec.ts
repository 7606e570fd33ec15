import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { type CutContent, idBytes, idText, ManifestSchema, newId } from '@holdfast/protocol';
import { applyFrames } from '../frames/testing/apply-frames.ts';
import { openHrl } from '../hrl/open-hrl.ts';
import { identifyDevice } from '../trace/device.ts';
import { MIB, writeDirect } from '../trace/testing/live-trace.ts';
import { createLoopDisk, type LoopDisk, run } from '../trace/testing/loop-disk.ts';
import { NBDKIT, startNbdkitDisk } from '../trace/testing/nbdkit-disk.ts';
import { createWriteTrace, type WriteTraceSession } from '../trace/trace.ts';
import type { Capture } from './capture.ts';
import { type OpenDiskSource, openDiskSource } from './open-disk-source.ts';
import { createTraceCapture } from './trace-capture.ts';

const SIZE = 8 * MIB;

interface RigDisk {
  readonly id: string;
  readonly loop: Pick<LoopDisk, 'path' | 'image'>;
}

/** An agent's capture over loop disks that can be stopped and started, and what it sent: the disks as a vault has them. */
const createRig = async () => {
  const machineId = newId();
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-changing-'));
  const manifest = create(ManifestSchema, { id: idBytes(newId()), machineId: idBytes(machineId) });
  const hrl = await openHrl({ machineId, directory, quotaBytes: 64 * MIB, segmentBytes: 16 * MIB });
  const images = new Map<string, Buffer>();
  const loops: LoopDisk[] = [];
  let sources: OpenDiskSource[] = [];
  let session: WriteTraceSession;
  const rig = {
    capture: undefined as unknown as Capture,
    excluded: [] as string[],
    disk: (size = SIZE): RigDisk => {
      const loop = createLoopDisk(size);
      loops.push(loop);
      return { id: newId(), loop };
    },
    start: (): void => {
      session = createWriteTrace({ machineId, bufferBytes: 16 * MIB, memoryDirectory: '/dev/shm' });
      const options = { machineId, session, hrl, bootId: newId(), manifest: async () => manifest, pieceSize: MIB };
      rig.capture = createTraceCapture({ ...options, excludedDisks: rig.excluded });
    },
    attach: ({ id, loop }: RigDisk) => {
      const device = identifyDevice(loop.path);
      const source = openDiskSource(device);
      sources.push(source);
      return rig.capture.attach({ id, device, source });
    },
    stop: async (): Promise<void> => {
      await rig.capture.close();
      session.trace.close();
      for (const source of sources) source.close();
      sources = [];
    },
    cut: async (): Promise<CutContent['cut']> => {
      const { cut } = await rig.capture.publish(await rig.capture.propose());
      for (const content of [...hrl.committed()]) {
        for (const [index, { diskId, diskSize }] of content.cut.epochs.entries()) {
          const before = images.get(idText(diskId)) ?? Buffer.alloc(0);
          // As docs/format.md has it: an epoch says that what is behind the end of its disk is zeroes, until a later one tells otherwise.
          const image = Buffer.alloc(Number(diskSize));
          before.copy(image);
          const frames: Uint8Array[] = [];
          for await (const frame of content.frames(index)) frames.push(frame);
          await applyFrames(frames, image);
          images.set(idText(diskId), image);
        }
        hrl.free(idText(content.cut.id));
      }
      return cut;
    },
    /** Cuts until there is a point again; tells how many cuts were none. */
    cutPoint: async (): Promise<number> => {
      for (let held = 0; ; held += 1) if ((await rig.cut()).point !== undefined) return held;
    },
    isSame: ({ id, loop }: RigDisk): boolean => readFileSync(loop.image).equals(images.get(id)!),
    remove: async (): Promise<void> => {
      await rig.capture.close();
      session.destroy();
      for (const source of sources) source.close();
      await hrl.close();
      for (const loop of loops) loop.detach();
      rmSync(directory, { recursive: true });
    },
  };
  rig.start();
  return rig;
};

const grow = (loop: RigDisk['loop'], size: number): void => {
  truncateSync(loop.image, size);
  run('losetup', '--set-capacity', loop.path);
};

describe('disks that change while they are captured', () => {
  it('are copied from their old end on when they grow, and everything else goes on', async () => {
    const rig = await createRig();
    try {
      // An odd size: the last block is a short one.
      const growing = rig.disk(SIZE - 3 * 512);
      const other = rig.disk();
      for (const one of [growing, other]) {
        writeDirect(one.loop.path, 7);
        await rig.attach(one);
      }
      await rig.capture.copy();
      expect(await rig.cutPoint()).toBe(0);
      writeDirect(growing.loop.path, 9);
      grow(growing.loop, 3 * SIZE);
      writeDirect(growing.loop.path, 2500);
      writeDirect(growing.loop.path, 11);
      writeDirect(other.loop.path, 12);
      const first = await rig.cut();
      expect(first.point).toBeUndefined();
      expect(first.epochs.map(({ diskId }) => idText(diskId))).toEqual([other.id]);
      await rig.cutPoint();
      expect([growing, other].map(rig.isSame)).toEqual([true, true]);
      writeDirect(growing.loop.path, 6000);
      expect(await rig.cutPoint()).toBe(0);
      expect([growing, other].map(rig.isSame)).toEqual([true, true]);
    } finally {
      await rig.remove();
    }
  });

  it('may grow while nobody looks', async () => {
    const rig = await createRig();
    try {
      const growing = rig.disk();
      await rig.attach(growing);
      await rig.capture.copy();
      expect(await rig.cutPoint()).toBe(0);
      await rig.stop();
      writeDirect(growing.loop.path, 9);
      grow(growing.loop, 2 * SIZE);
      writeDirect(growing.loop.path, 2500);
      rig.start();
      expect(await rig.attach(growing)).toEqual({ kind: 'continuous' });
      expect(rig.capture.resynchronizing).toEqual([growing.id]);
      await rig.capture.copy();
      expect(await rig.cutPoint()).toBe(0);
      expect(rig.isSame(growing)).toBe(true);
      await rig.stop();
      writeDirect(growing.loop.path, 3000);
      rig.start();
      expect(await rig.attach(growing)).toEqual({ kind: 'continuous' });
      expect(await rig.cutPoint()).toBe(0);
      expect(rig.isSame(growing)).toBe(true);
    } finally {
      await rig.remove();
    }
  });

  it('make no point when they grow between its instant and its commit', async () => {
    const rig = await createRig();
    try {
      const growing = rig.disk();
      await rig.attach(growing);
      await rig.capture.copy();
      const proposal = await rig.capture.propose();
      grow(growing.loop, 2 * SIZE);
      await expect(rig.capture.publish(proposal)).rejects.toThrow(/CAPTURE_NOT_CONVERGED.*had grown/);
      writeDirect(growing.loop.path, 3000);
      // There is nothing to be cut but the disk that is copied: the first attempt begins that.
      await expect(rig.capture.propose()).rejects.toThrow(/CAPTURE_NOT_CONVERGED.*is being copied/);
      while (!rig.capture.canCut) await new Promise(setImmediate);
      expect(await rig.cutPoint()).toBe(0);
      expect(rig.isSame(growing)).toBe(true);
    } finally {
      await rig.remove();
    }
  });

  it('come and go without disturbing the others', async () => {
    const rig = await createRig();
    try {
      const [first, second, third] = [rig.disk(), rig.disk(2 * SIZE), rig.disk()];
      await rig.attach(first);
      await rig.capture.copy();
      expect(await rig.cutPoint()).toBe(0);
      await rig.attach(second);
      writeDirect(first.loop.path, 3);
      expect((await rig.cut()).point!.disksNotYetCopied.map(idText)).toEqual([second.id]);
      await rig.capture.copy();
      writeDirect(second.loop.path, 4000);
      expect((await rig.cut()).epochs).toHaveLength(2);
      expect([first, second].map(rig.isSame)).toEqual([true, true]);

      // One that goes while it is copied ends its copy, nothing else.
      const passing = rig.disk(64 * MIB);
      await rig.attach(passing);
      const copied = rig.capture.copy({ onProgress: () => void rig.capture.detach(passing.id).catch(() => undefined) });
      await copied;
      expect(rig.capture.resynchronizing).toEqual([]);
      rig.excluded.push(passing.id);
      expect((await rig.cut()).epochs).toHaveLength(2);

      const proposal = await rig.capture.propose();
      await expect(rig.capture.detach(second.id)).rejects.toThrow(/part of an open proposal/);
      await rig.capture.abandon(proposal);
      writeDirect(second.loop.path, 4001);
      await rig.capture.detach(second.id);
      rig.excluded.push(second.id);
      // It takes the place of the one that went, and is shorter.
      expect(await rig.attach(third)).toEqual({ kind: 'new' });
      await rig.capture.copy();
      writeDirect(first.loop.path, 4);
      writeDirect(second.loop.path, 4002);
      writeDirect(third.loop.path, 5);
      const cut = await rig.cut();
      expect(cut.point!.members.map(({ diskId }) => idText(diskId))).toEqual([first.id, third.id]);
      expect(cut.point!.disksExcluded.map(idText)).toEqual([passing.id, second.id]);
      expect([first, third].map(rig.isSame)).toEqual([true, true]);
    } finally {
      await rig.remove();
    }
  });
});

describe.unless(lacks('root', ...NBDKIT), 'a disk that cannot always discard', () => {
  it('keeps in every cut what a failed discard left, and has zeroes where one did not fail', async () => {
    const disk = await startNbdkitDisk((folder) => {
      writeFileSync(join(folder, 'image'), '');
      truncateSync(join(folder, 'image'), SIZE);
      const failing = ['error-trim=EIO', 'error-trim-rate=100%', `error-trim-file=${join(folder, 'fails')}`];
      return ['--filter=error', 'file', join(folder, 'image'), ...failing];
    });
    const rig = await createRig();
    try {
      const one = { id: newId(), loop: { path: disk.path, image: join(disk.folder, 'image') } };
      writeDirect(disk.path, 0, 64);
      await rig.attach(one);
      await rig.capture.copy();
      await rig.cutPoint();
      // From the middle of a block to the middle of another.
      const discard = (): void => void run('blkdiscard', '--offset', String(8 * 4096 + 512), '--length', String(8 * 4096), disk.path);
      writeFileSync(join(disk.folder, 'fails'), '');
      expect(discard).toThrow(/Input\/output error/);
      const before = readFileSync(one.loop.image);
      expect(before.subarray(9 * 4096, 16 * 4096).includes(Buffer.alloc(512))).toBe(false);
      await rig.cutPoint();
      expect(rig.isSame(one)).toBe(true);
      rmSync(join(disk.folder, 'fails'));
      discard();
      expect(readFileSync(one.loop.image).equals(before)).toBe(false);
      await rig.cutPoint();
      expect(rig.isSame(one)).toBe(true);
    } finally {
      await rig.remove();
      await disk.close();
    }
  });
});
