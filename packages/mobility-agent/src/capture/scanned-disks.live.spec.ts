import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { type CutContent, idBytes, idText, ManifestSchema, newId } from '@holdfast/protocol';
import { applyFrames } from '../frames/testing/apply-frames.ts';
import { openHrl } from '../hrl/open-hrl.ts';
import { until } from '../sender/testing/until.ts';
import { identifyDevice } from '../trace/device.ts';
import { MIB, writeDirect } from '../trace/testing/live-trace.ts';
import { createLoopDisk } from '../trace/testing/loop-disk.ts';
import { createWriteTrace } from '../trace/trace.ts';
import { openDiskSource } from './open-disk-source.ts';
import { createTraceCapture } from './trace-capture.ts';

const SIZE = 4 * MIB;

/** A traced disk and one that is scanned, and what a vault would have of them. */
const createRig = async (quiet: number) => {
  const machineId = newId();
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-scanned-'));
  const manifest = create(ManifestSchema, { id: idBytes(newId()), machineId: idBytes(machineId) });
  const hrl = await openHrl({ machineId, directory, quotaBytes: 64 * MIB, segmentBytes: 16 * MIB });
  const openSession = () => createWriteTrace({ machineId, bufferBytes: 16 * MIB, memoryDirectory: '/dev/shm' });
  let session = openSession();
  const options = { machineId, hrl, bootId: newId(), manifest: async () => manifest, pieceSize: MIB, quiet };
  const capture = createTraceCapture({ ...options, session });
  let newest = capture;
  const disks = [undefined, 'for the test'].map((scanned) => {
    const loop = createLoopDisk(SIZE);
    const device = { ...identifyDevice(loop.path), ...(scanned === undefined ? {} : { scanned }) };
    return { id: newId(), loop, device, source: openDiskSource(device), image: Buffer.alloc(SIZE) };
  });
  const [traced, scanned] = disks as [(typeof disks)[number], (typeof disks)[number]];
  const isSame = ({ loop, image }: (typeof disks)[number]): boolean => readFileSync(loop.image).equals(image);
  const present = new Set(disks);
  const takeAway = (disk: (typeof disks)[number]): void => {
    if (!present.delete(disk)) return;
    disk.source.close();
    disk.loop.detach();
  };
  const apply = async (): Promise<void> => {
    for (const content of [...hrl.committed()]) {
      for (const [index, { diskId }] of content.cut.epochs.entries()) {
        const frames: Uint8Array[] = [];
        for await (const frame of content.frames(index)) frames.push(frame);
        await applyFrames(frames, disks.find(({ id }) => id === idText(diskId))!.image);
      }
      hrl.free(idText(content.cut.id));
    }
  };
  const cut = async (): Promise<CutContent['cut']> => {
    const content = await newest.publish(await newest.propose());
    await apply();
    return content.cut;
  };
  return {
    capture,
    traced,
    scanned,
    takeAway,
    /** Another capture of the traced disk goes on where the first one was. */
    again: async () => {
      await capture.close();
      session.trace.close();
      session = openSession();
      newest = createTraceCapture({ ...options, session });
      return newest.attach(traced);
    },
    attach: async () => {
      for (const disk of disks) await capture.attach(disk);
    },
    cut,
    same: () => disks.map(isSame),
    isSame,
    remove: async (): Promise<void> => {
      await newest.close();
      session.destroy();
      for (const disk of disks) takeAway(disk);
      await hrl.close();
      rmSync(directory, { recursive: true });
    },
  };
};

describe.unless(lacks('root', 'losetup'), 'a disk that is scanned beside one that is traced', () => {
  it('takes part in points while nothing is written to it, and holds them back until it is read again', async () => {
    const rig = await createRig(0);
    const { capture, traced, scanned } = rig;
    try {
      for (const { loop } of [traced, scanned]) writeDirect(loop.path, 7);
      await rig.attach();
      await capture.copy();
      expect((await rig.cut()).point!.members).toHaveLength(2);
      expect(rig.same()).toEqual([true, true]);

      writeDirect(traced.loop.path, 9);
      const { point, epochs } = await rig.cut();
      expect(point!.members).toHaveLength(2);
      expect(epochs.map(({ dataBytes }) => Number(dataBytes))).toEqual([4096, 0]);
      expect(rig.same()).toEqual([true, true]);

      // What the second disk was at the instant of a cut nobody knows: the cut is of the first only, and no point.
      writeDirect(scanned.loop.path, 11);
      writeDirect(traced.loop.path, 12);
      const held = await rig.cut();
      expect(held.epochs.map(({ diskId }) => idText(diskId))).toEqual([traced.id]);
      expect(held.point).toBeUndefined();
      expect(capture.resynchronizing).toEqual([scanned.id]);
      await until(
        'it is read again',
        () => capture.resynchronizing.length === 0,
        () => capture.resynchronizing,
        60_000,
      );
      const again = await rig.cut();
      expect(again.point!.members).toHaveLength(2);
      expect(rig.same()).toEqual([true, true]);

      // Between the instant of a cut and its commit.
      const proposal = await capture.propose();
      writeDirect(scanned.loop.path, 13);
      await expect(capture.publish(proposal)).rejects.toThrow(/CAPTURE_NOT_CONVERGED.*captured by scan/);
    } finally {
      await rig.remove();
    }
  });

  it('is read from its beginning again when something is written to it meanwhile', async () => {
    const rig = await createRig(0);
    const { capture, scanned } = rig;
    try {
      await rig.attach();
      let writes = 0;
      // Of the first blocks the copy knows already what they were.
      const onProgress = (): void => {
        if (writes === 3) return;
        writes += 1;
        writeDirect(scanned.loop.path, writes);
      };
      await capture.copy({ onProgress });
      expect(writes).toBe(3);
      expect((await rig.cut()).point!.members).toHaveLength(2);
      expect(rig.same()).toEqual([true, true]);
    } finally {
      await rig.remove();
    }
  });

  it('vanishes within a cut, and the trace of the other one loses nothing', async () => {
    const rig = await createRig(0);
    const { capture, traced, scanned } = rig;
    try {
      await rig.attach();
      await capture.copy();
      await rig.cut();
      writeDirect(traced.loop.path, 21);
      const proposal = await capture.propose();
      rig.takeAway(scanned);
      await expect(capture.publish(proposal)).rejects.toThrow(/DEVICE_CHANGED/);
      await expect(capture.failure).rejects.toThrow(/DEVICE_CHANGED/);
      writeDirect(traced.loop.path, 22);
      expect(await rig.again()).toEqual({ kind: 'continuous' });
      expect((await rig.cut()).epochs.map(({ dataBytes }) => Number(dataBytes))).toEqual([8192]);
      expect(rig.isSame(traced)).toBe(true);
    } finally {
      await rig.remove();
    }
  });

  it('is not read before it rests', async () => {
    const rig = await createRig(3_600_000);
    try {
      await rig.attach();
      const over = new AbortController();
      const copied = rig.capture.copy({ signal: over.signal });
      await until(
        'the other one is copied',
        () => rig.capture.canCut,
        () => '',
        60_000,
      );
      expect((await rig.cut()).point!.disksNotYetCopied.map(idText)).toEqual([rig.scanned.id]);
      over.abort();
      await copied;
    } finally {
      await rig.remove();
    }
  });
});
