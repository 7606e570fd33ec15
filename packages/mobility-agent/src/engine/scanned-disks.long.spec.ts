import fs from 'node:fs';
import { DiskPhase, idText } from '@holdfast/protocol';
import { until } from '../sender/testing/until.ts';
import { MIB, writeDirect } from '../trace/testing/live-trace.ts';
import { createLoopDisk } from '../trace/testing/loop-disk.ts';
import { openEngineRig, RIG_TRACE } from './testing/engine-rig.ts';

describe.unless(lacks('root', 'losetup'), 'an engine with a disk that is scanned (disks.scan)', () => {
  it('says so, makes exact points of both disks, and reads it again after it was written, after a restart too', async () => {
    const [traced, scanned] = [createLoopDisk(16 * MIB), createLoopDisk(16 * MIB)];
    const paths = [traced.path, scanned.path];
    const rig = await openEngineRig(paths, { trace: { ...RIG_TRACE, scan: [scanned.path] } });
    const phase = () => rig.engine.status.disks.find(({ path }) => path === scanned.path)?.phase;
    const inPhase = (wanted: DiskPhase) =>
      until(
        `phase ${wanted}`,
        () => phase() === wanted,
        () => [phase(), ...rig.events.map(({ code, text }) => `${code} ${text}`)],
        120_000,
      );
    const isExact = async (): Promise<void> => {
      const state = await rig.point();
      expect(paths.map((path) => state.get(path)?.equals(fs.readFileSync(path === traced.path ? traced.image : scanned.image)))).toEqual([
        true,
        true,
      ]);
    };
    try {
      for (const path of paths) writeDirect(path, 3);
      rig.protect(paths, { pointIntervalSeconds: 1 });
      await inPhase(DiskPhase.REPLICATING);
      await isExact();
      expect(rig.events.map(({ code }) => code)).toContain('DEVICE_NOT_TRACEABLE');
      writeDirect(scanned.path, 4);
      writeDirect(traced.path, 5);
      await inPhase(DiskPhase.RESYNCHRONIZING);
      await inPhase(DiskPhase.REPLICATING);
      await isExact();
      writeDirect(scanned.path, 6);
      await rig.restart();
      writeDirect(scanned.path, 7);
      rig.protect(paths, { pointIntervalSeconds: 1 });
      await inPhase(DiskPhase.REPLICATING);
      await isExact();
      const begun = rig.server.vault
        .flatMap(({ cut }) => cut.generations)
        .filter(({ diskId }) => idText(diskId) === rig.disk(traced.path).id);
      expect(begun).toHaveLength(1);
    } finally {
      await rig.close();
      for (const loop of [traced, scanned]) loop.detach();
    }
  }, 600_000);
});
