import fs from 'node:fs';
import { DiskPhase } from '@holdfast/protocol';
import { until } from '../sender/testing/until.ts';
import { createLoopDisk, type LoopDisk } from '../trace/testing/loop-disk.ts';
import { type EngineRig, openEngineRig } from './testing/engine-rig.ts';

const MIB = 1024 * 1024;

/** Writes through the page cache and past it, so that the device has it. */
const write = (disk: LoopDisk, offset: number, length: number, fill: number): void => {
  const fd = fs.openSync(disk.path, 'r+');
  fs.writeSync(fd, Buffer.alloc(length, fill), 0, length, offset);
  fs.fsyncSync(fd);
  fs.closeSync(fd);
};

describe.unless(lacks('root', 'losetup'), 'the engine over loop devices', () => {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });
  const disks = (...sizes: number[]): LoopDisk[] =>
    sizes.map((size) => {
      const disk = createLoopDisk(size);
      undo.push(() => disk.detach());
      return disk;
    });
  const rigOf = async (...options: Parameters<typeof openEngineRig>): Promise<EngineRig> => {
    const rig = await openEngineRig(...options);
    undo.push(() => rig.close());
    return rig;
  };
  const phase = (rig: EngineRig, disk: LoopDisk) => rig.engine.status.disks.find(({ path }) => path === disk.path)?.phase;

  it('copies, makes points of what is written, and goes on after a restart without copying again', async () => {
    const [disk] = disks(32 * MIB) as [LoopDisk];
    write(disk, 5 * MIB, MIB, 1);
    const rig = await rigOf([disk.path]);
    rig.protect([disk.path]);
    const first = (await rig.point()).get(disk.path);
    expect(first?.equals(fs.readFileSync(disk.image))).toBe(true);
    expect(phase(rig, disk)).toBe(DiskPhase.REPLICATING);

    write(disk, 9 * MIB, 8192, 2);
    expect((await rig.point()).get(disk.path)?.equals(fs.readFileSync(disk.image))).toBe(true);

    await rig.restart();
    write(disk, 20 * MIB, 4096, 3);
    rig.protect([disk.path]);
    await until('it captures again', () => phase(rig, disk) === DiskPhase.REPLICATING);
    const last = await rig.point();
    expect(last.get(disk.path)?.equals(fs.readFileSync(disk.image))).toBe(true);
    expect(rig.server.vault.flatMap(({ cut }) => cut.generations)).toHaveLength(1);
    expect(rig.server.violations).toEqual([]);
  });
});
