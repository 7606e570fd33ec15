import { randomFillSync } from 'node:crypto';
import fs from 'node:fs';
import { DiskPhase, GenerationReason } from '@holdfast/protocol';
import { createReceiver } from '../scan/testing/receiver.ts';
import { until } from '../sender/testing/until.ts';
import { createLoopDisk, type LoopDisk } from '../trace/testing/loop-disk.ts';
import { forgetTrace } from './open-trace-capture.ts';
import { type EngineRig, openEngineRig, RIG_TRACE } from './testing/engine-rig.ts';

const MIB = 1024 * 1024;
const BLOCK = 4096;

/** Writes noise to places of the device, through to it. */
const scribble = (disk: LoopDisk, places: readonly number[], length = BLOCK): void => {
  const fd = fs.openSync(disk.path, 'r+');
  for (const place of places) fs.writeSync(fd, randomFillSync(Buffer.alloc(length)), 0, length, place);
  fs.fsyncSync(fd);
  fs.closeSync(fd);
};

describe.unless(lacks('root', 'losetup'), 'resynchronization over loop devices', () => {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });
  const diskOf = (size: number): LoopDisk => {
    const disk = createLoopDisk(size);
    undo.push(() => disk.detach());
    return disk;
  };
  const rigOf = async (...options: Parameters<typeof openEngineRig>): Promise<EngineRig> => {
    const rig = await openEngineRig(...options);
    undo.push(() => rig.close());
    return rig;
  };
  const generations = (rig: EngineRig) => rig.server.vault.flatMap(({ cut }) => cut.generations);
  const equals = async (rig: EngineRig, disk: LoopDisk): Promise<boolean> =>
    (await rig.point()).get(disk.path)?.equals(fs.readFileSync(disk.image)) === true;
  const details = (rig: EngineRig) => () => ({
    events: rig.events,
    sender: rig.engine.status.sender?.state,
    disks: rig.engine.status.disks,
  });
  const replicating = (rig: EngineRig): Promise<void> =>
    until('it replicates', () => rig.engine.status.disks[0]?.phase === DiskPhase.REPLICATING, details(rig), 60_000);
  /** Ends the tracing, as a reboot does: nothing is known of the writes meanwhile. */
  const loseContinuity = async (
    rig: EngineRig,
    meanwhile: () => void,
    options: Parameters<EngineRig['restart']>[0] = {},
  ): Promise<void> => {
    await rig.engine.stop();
    forgetTrace(rig.machineId, RIG_TRACE);
    meanwhile();
    await rig.restart(options);
  };

  it('sends only what differs, on top of the state the vault has, and keeps the points from before', async () => {
    const disk = diskOf(48 * MIB);
    scribble(disk, [0], 16 * MIB);
    const rig = await rigOf([disk.path]);
    rig.protect([disk.path]);
    expect(await equals(rig, disk)).toBe(true);
    const before = fs.readFileSync(disk.image);
    const oldPoint = rig.server.vault.findLast(({ cut }) => cut.point !== undefined)!.cut.point!;
    const sent = rig.server.receivedBytes;
    expect(sent).toBeGreaterThan(16 * MIB);

    const changed = [3 * BLOCK, 5 * MIB, 5 * MIB + BLOCK, 15 * MIB, 40 * MIB, 48 * MIB - BLOCK];
    await loseContinuity(rig, () => {
      scribble(disk, changed);
      const fd = fs.openSync(disk.path, 'r+');
      fs.writeSync(fd, Buffer.alloc(BLOCK), 0, BLOCK, 12 * MIB);
      fs.fsyncSync(fd);
      fs.closeSync(fd);
    });
    rig.protect([disk.path]);
    await replicating(rig);
    expect(await equals(rig, disk)).toBe(true);
    // Six blocks of noise, one of zeroes, and little around them.
    expect(rig.server.receivedBytes - sent).toBeGreaterThan(changed.length * BLOCK);
    expect(rig.server.receivedBytes - sent).toBeLessThan(changed.length * BLOCK + 4096);
    expect(generations(rig).map(({ reason }) => reason)).toEqual([GenerationReason.FIRST_COPY, GenerationReason.RESYNCHRONIZATION]);
    expect(generations(rig)[1]!.parent).toMatchObject({ generationId: generations(rig)[0]!.id });
    expect(rig.events.map(({ text }) => text).join()).toMatch(/is resynchronized: /);
    expect(rig.server.violations).toEqual([]);
    const receiver = createReceiver();
    for (const received of rig.server.vault) await receiver.receive(received);
    expect(receiver.state(oldPoint.members[0]!.epoch!).equals(before)).toBe(true);
  });

  it('goes on where it was when the agent is started anew and the server comes and goes, while the disk is written to', async () => {
    const disk = diskOf(96 * MIB);
    scribble(disk, [0], 64 * MIB);
    const rig = await rigOf([disk.path]);
    rig.protect([disk.path]);
    expect(await equals(rig, disk)).toBe(true);
    const sent = rig.server.receivedBytes;
    const slow = { copy: { rate: 24 * MIB, yields: false } };
    await loseContinuity(rig, () => scribble(disk, [MIB, 40 * MIB, 60 * MIB]), slow);
    rig.protect([disk.path]);
    const covered = (): number => rig.engine.status.disks[0]?.copiedBytes ?? 0;
    const reach = (bytes: number): Promise<void> =>
      until(`${bytes} bytes are covered`, () => covered() >= bytes && covered() < 96 * MIB, details(rig), 60_000);
    await reach(20 * MIB);
    expect(rig.engine.status.disks[0]!.phase).toBe(DiskPhase.RESYNCHRONIZING);
    scribble(disk, [2 * MIB, 80 * MIB]);
    rig.server.restart();
    const reached = covered();
    await rig.restart(slow);
    rig.protect([disk.path]);
    await reach(reached + 1);
    rig.server.behaviour.digests = 'keep silent';
    scribble(disk, [3 * MIB, 81 * MIB]);
    rig.server.restart();
    rig.server.behaviour.digests = 'answer';
    await rig.restart();
    rig.protect([disk.path]);
    await replicating(rig);
    expect(await equals(rig, disk)).toBe(true);
    expect(generations(rig)).toHaveLength(2);
    expect(rig.events.map(({ code }) => code).filter((code) => code === 'DIGESTS_UNAVAILABLE')).toEqual([]);
    // A closer look that the coming and going of the server cuts short sends its MiB whole: cuts do not wait for it.
    expect(rig.server.receivedBytes - sent).toBeLessThan(5 * MIB);
    expect(rig.server.violations).toEqual([]);
  });

  it('compares all disks when somebody asks for it, once; rests while it is paused, and points go on', async () => {
    const disk = diskOf(16 * MIB);
    scribble(disk, [0], 16 * MIB);
    const rig = await rigOf([disk.path]);
    const wanted = { resyncId: randomFillSync(Buffer.alloc(16)) };
    const earlier = { resyncId: randomFillSync(Buffer.alloc(16)) };
    rig.protect([disk.path], earlier);
    await rig.point();
    expect(generations(rig)).toHaveLength(1);

    rig.protect([disk.path], { ...wanted, copyPaused: true });
    const rests = (): boolean =>
      rig.engine.status.disks[0]?.paused === true && rig.engine.status.disks[0].phase === DiskPhase.RESYNCHRONIZING;
    await until('it rests', rests, details(rig));
    // Not through the device: only a comparison finds it.
    const fd = fs.openSync(disk.image, 'r+');
    fs.writeSync(fd, Buffer.from('changed'), 0, 7, 5 * MIB);
    fs.closeSync(fd);
    await rig.restart();
    rig.protect([disk.path], { ...wanted, copyPaused: true });
    await until('it rests again', rests, details(rig));
    rig.protect([disk.path], wanted);
    await replicating(rig);
    expect(await equals(rig, disk)).toBe(true);
    expect(generations(rig)).toHaveLength(2);

    await rig.restart();
    rig.protect([disk.path], wanted);
    expect(await equals(rig, disk)).toBe(true);
    // A configuration server that was restored knows the request before only: it was met too.
    rig.protect([disk.path], earlier);
    await rig.point();
    expect(await equals(rig, disk)).toBe(true);
    expect(generations(rig)).toHaveLength(2);
    expect(rig.server.violations).toEqual([]);
  });

  it('copies the whole disk, and says so, when the server is older than digests', async () => {
    const disk = diskOf(32 * MIB);
    scribble(disk, [0], 8 * MIB);
    const rig = await rigOf([disk.path]);
    rig.server.behaviour.version = 1;
    rig.protect([disk.path]);
    await rig.point();
    const sent = rig.server.receivedBytes;
    await loseContinuity(rig, () => scribble(disk, [MIB]));
    rig.protect([disk.path]);
    await replicating(rig);
    expect(await equals(rig, disk)).toBe(true);
    expect(rig.server.receivedBytes - sent).toBeGreaterThan(8 * MIB);
    expect(rig.events).toContainEqual(expect.objectContaining({ code: 'UNSUPPORTED_OPERATION', severity: 'warning' }));
    expect(rig.server.violations).toEqual([]);
  });

  it('finds by itself what changed where no write shows, and mends it; and cries never without need', async () => {
    const disk = diskOf(8 * MIB);
    scribble(disk, [0], 8 * MIB);
    const rig = await rigOf([disk.path], { checkInterval: 10 });
    rig.protect([disk.path], { pointIntervalSeconds: 1 });
    await replicating(rig);
    // Writes of all kinds, points, and comparisons beside them.
    for (let round = 0; round < 40; round += 1) {
      scribble(
        disk,
        [0, 1, 2, 3].map(() => Math.floor(Math.random() * 2000) * BLOCK + 512),
        1024,
      );
      if (round % 8 === 0) rig.engine.pointNow();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const checked = rig.engine.status.checkedBlocks;
    await rig.point();
    await until('blocks are compared', () => rig.engine.status.checkedBlocks > checked + 500, details(rig));
    expect(rig.events.filter(({ severity }) => severity === 'warning')).toEqual([]);

    // Not through the device: nothing traces it.
    const fd = fs.openSync(disk.image, 'r+');
    fs.writeSync(fd, Buffer.from('changed'), 0, 7, 5 * MIB + 3 * BLOCK + 100);
    fs.closeSync(fd);
    expect(await equals(rig, disk)).toBe(false);
    await until('it is found', () => rig.events.some(({ code }) => code === 'DISK_DIVERGED'), details(rig), 60_000);
    expect(rig.events.find(({ code }) => code === 'DISK_DIVERGED')!.text).toContain(`1 blocks from byte ${5 * MIB + 3 * BLOCK}`);
    await until('it is resynchronized', () => generations(rig).length === 2, details(rig));
    await replicating(rig);
    expect(await equals(rig, disk)).toBe(true);
    expect(rig.events.filter(({ code }) => code === 'DISK_DIVERGED')).toHaveLength(1);
  });
});
