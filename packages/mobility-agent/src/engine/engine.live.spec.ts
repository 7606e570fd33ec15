import { randomFillSync } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DiskPhase, idBytes, idText } from '@holdfast/protocol';
import { until } from '../sender/testing/until.ts';
import { createLoopDisk, type LoopDisk, run } from '../trace/testing/loop-disk.ts';
import { findTracefs } from '../trace/tracefs.ts';
import { type EngineRig, openEngineRig, RIG_TRACE } from './testing/engine-rig.ts';

const MIB = 1024 * 1024;

/** Writes through the page cache and past it, so that the device has it. */
const write = (disk: LoopDisk, offset: number, length: number, fill: number): void => {
  const fd = fs.openSync(disk.path, 'r+');
  fs.writeSync(fd, Buffer.alloc(length, fill), 0, length, offset);
  fs.fsyncSync(fd);
  fs.closeSync(fd);
};

/** The same with bytes that cannot be compressed. */
const writeNoise = (disk: LoopDisk, offset: number, length: number): void => {
  const fd = fs.openSync(disk.path, 'r+');
  fs.writeSync(fd, randomFillSync(Buffer.alloc(length)), 0, length, offset);
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

  const detailsOf = (rig: EngineRig) => () => ({
    ...rig.engine.status,
    revision: 0,
    events: rig.events,
    sender: rig.engine.status.sender?.state,
  });
  const inPhase = (rig: EngineRig, disk: LoopDisk, wanted: DiskPhase): Promise<void> =>
    until(
      `phase ${wanted}`,
      () => phase(rig, disk) === wanted,
      () => JSON.stringify(detailsOf(rig)(), (_, value) => (typeof value === 'bigint' ? Number(value) : value)),
    );
  const equals = (state: Map<string, Buffer>, disk: LoopDisk): boolean | undefined =>
    state.get(disk.path)?.equals(fs.readFileSync(disk.image));
  const generations = (rig: EngineRig, disk: LoopDisk): number =>
    rig.server.vault.flatMap(({ cut }) => cut.generations).filter(({ diskId }) => idText(diskId) === rig.disk(disk.path).id).length;
  const codes = (rig: EngineRig): string[] => rig.events.map(({ code }) => code);

  it('copies, makes points of what is written, and goes on after a restart without copying again', async () => {
    const [disk] = disks(32 * MIB) as [LoopDisk];
    write(disk, 5 * MIB, MIB, 1);
    const rig = await rigOf([disk.path]);
    rig.protect([disk.path]);
    expect(equals(await rig.point(), disk)).toBe(true);
    expect(phase(rig, disk)).toBe(DiskPhase.REPLICATING);
    write(disk, 9 * MIB, 8192, 2);
    expect(equals(await rig.point(), disk)).toBe(true);

    await rig.restart();
    write(disk, 20 * MIB, 4096, 3);
    rig.protect([disk.path]);
    await inPhase(rig, disk, DiskPhase.REPLICATING);
    expect(equals(await rig.point(), disk)).toBe(true);
    expect(generations(rig, disk)).toBe(1);
    expect(rig.server.violations).toEqual([]);
  });

  it('takes disks in and lets them go without disturbing the others, and names those that are gone', async () => {
    const [stays, comes] = disks(24 * MIB, 16 * MIB) as [LoopDisk, LoopDisk];
    const rig = await rigOf([stays.path, comes.path]);
    rig.protect([stays.path]);
    await rig.point();
    expect(phase(rig, comes)).toBe(DiskPhase.UNPROTECTED);
    write(stays, MIB, 4096, 4);
    write(comes, MIB, 4096, 5);
    rig.protect([stays.path, comes.path]);
    await inPhase(rig, comes, DiskPhase.REPLICATING);
    const both = await rig.point();
    expect([equals(both, stays), equals(both, comes)]).toEqual([true, true]);

    rig.protect([stays.path]);
    await until('it is let go', () => phase(rig, comes) === DiskPhase.UNPROTECTED);
    write(stays, 2 * MIB, 4096, 6);
    write(comes, 2 * MIB, 4096, 7);
    const one = await rig.point();
    expect([equals(one, stays), one.has(comes.path)]).toEqual([true, false]);
    const { point } = rig.server.vault.findLast(({ cut }) => cut.point !== undefined)!.cut;
    expect(point!.disksExcluded.map(idText)).toEqual([rig.disk(comes.path).id]);

    rig.protect([stays.path, comes.path]);
    await until('it is copied anew', () => generations(rig, comes) === 2 && phase(rig, comes) === DiskPhase.REPLICATING, detailsOf(rig));
    const again = await rig.point();
    expect([equals(again, stays), equals(again, comes)]).toEqual([true, true]);
    expect(generations(rig, stays)).toBe(1);
  });

  it('takes up interval, excluded disks and servers while it captures', async () => {
    const [disk, other] = disks(16 * MIB, 8 * MIB) as [LoopDisk, LoopDisk];
    const rig = await rigOf([disk.path, other.path]);
    rig.protect([disk.path]);
    await rig.point();
    const copies = codes(rig).filter((code) => code === 'COPY_COMPLETE').length;
    const excludedDiskIds = [idBytes(rig.disk(other.path).id)];
    rig.protect([disk.path], { pointIntervalSeconds: 1, excludedDiskIds });
    const before = rig.engine.status.points;
    await until('points come by themselves', () => rig.engine.status.points > before + 2);
    const { point } = rig.server.vault.findLast(({ cut }) => cut.point !== undefined)!.cut;
    expect(point!.disksExcluded).toEqual(excludedDiskIds);
    rig.protect([disk.path], { processServers: ['127.0.0.1:1'], excludedDiskIds });
    await until('it leaves the server', () => rig.engine.status.sender?.state === 'waiting', detailsOf(rig));
    rig.engine.pointNow();
    await until('the log grows', () => rig.engine.status.pendingCuts > 0);
    rig.protect([disk.path]);
    await rig.point();
    expect(codes(rig).filter((code) => code === 'COPY_COMPLETE')).toHaveLength(copies);
  });

  it('removes what it kept when the machine is not protected any more, and begins anew later', async () => {
    const [disk] = disks(16 * MIB) as [LoopDisk];
    const rig = await rigOf([disk.path]);
    const kept = [
      `/dev/shm/holdfast-${rig.machineId}`,
      `/dev/shm/holdfast-${rig.machineId}-log`,
      path.join(rig.directory, 'machines', rig.machineId, 'log'),
    ];
    rig.protect([disk.path]);
    await rig.point();
    expect(kept.map((place) => fs.existsSync(place))).toEqual([true, true, true]);
    rig.unprotect();
    await until('it says so', () => codes(rig).includes('PROTECTION_ENDED'), detailsOf(rig));
    expect(kept.map((place) => fs.existsSync(place))).toEqual([false, false, false]);
    expect(rig.engine.status).toMatchObject({ protecting: false, pendingBytes: 0, disks: [{ phase: DiskPhase.UNPROTECTED }] });

    write(disk, 3 * MIB, 4096, 8);
    rig.protect([disk.path]);
    expect(equals(await rig.point(), disk)).toBe(true);
    expect(generations(rig, disk)).toBe(2);
    const { seenTerm, anchor } = rig.server.opens.at(-1)!;
    expect([seenTerm, anchor]).toEqual([1n, undefined]);
  });

  it('removes it also when it was told while it did not run', async () => {
    const [disk] = disks(8 * MIB) as [LoopDisk];
    const rig = await rigOf([disk.path]);
    rig.protect([disk.path]);
    await rig.point();
    await rig.restart();
    rig.unprotect();
    await until('it says so', () => codes(rig).includes('PROTECTION_ENDED'), detailsOf(rig));
    expect(fs.existsSync(`/dev/shm/holdfast-${rig.machineId}`)).toBe(false);
  });

  it('copies anew, loudly, when somebody switched the tracing off', async () => {
    const [disk] = disks(16 * MIB) as [LoopDisk];
    const rig = await rigOf([disk.path]);
    rig.protect([disk.path]);
    await rig.point();
    const events = path.join(findTracefs(), 'instances', `holdfast-${rig.machineId}`, 'events/block');
    for (const event of ['block_rq_issue', 'block_rq_complete']) fs.writeFileSync(path.join(events, event, 'enable'), '0');
    write(disk, 4 * MIB, MIB, 9);
    rig.engine.pointNow();
    await until('it says so', () => codes(rig).includes('CONTINUITY_LOST'), detailsOf(rig));
    await until('it is copied anew', () => generations(rig, disk) === 2 && phase(rig, disk) === DiskPhase.REPLICATING, detailsOf(rig));
    expect(equals(await rig.point(), disk)).toBe(true);
    const [first, second] = rig.server.vault.flatMap(({ cut }) => cut.generations);
    expect(second!.parent?.generationId).toEqual(first!.id);
    expect(rig.server.violations).toEqual([]);
  });

  it('copies anew, loudly, each time it was held up until a ring overflowed', async () => {
    const [disk] = disks(16 * MIB) as [LoopDisk];
    const rig = await rigOf([disk.path], { trace: { ...RIG_TRACE, bufferBytes: 256 * 1024 } });
    rig.protect([disk.path]);
    await rig.point();
    for (const time of [2, 3]) {
      // Nothing of this process goes on meanwhile, as if others had all processors.
      run('dd', 'if=/dev/urandom', `of=${disk.path}`, 'bs=4k', 'count=4096', 'oflag=direct', 'status=none');
      rig.engine.pointNow();
      await until('it is copied anew', () => generations(rig, disk) === time && phase(rig, disk) === DiskPhase.REPLICATING, detailsOf(rig));
      expect(equals(await rig.point(), disk)).toBe(true);
    }
    const told = rig.events.filter(({ code }) => code === 'CONTINUITY_LOST').map(({ text }) => text);
    expect(told.join()).toMatch(/overflowed|lost \d+ events|before the restart/);
    expect(told.length).toBeGreaterThanOrEqual(2);
    expect(rig.server.violations).toEqual([]);
  });

  it('remembers changes while its log is full, and makes points again when there is room', async () => {
    const [disk] = disks(48 * MIB) as [LoopDisk];
    const log = { directory: undefined, quota: 16 * MIB, segment: 4 * MIB, memory: 8 * MIB };
    const rig = await rigOf([disk.path], { log });
    rig.protect([disk.path]);
    await rig.point();
    rig.server.behaviour.lag = 1000;
    for (let mark = 0; mark < 4 && phase(rig, disk) !== DiskPhase.TRACKING; mark += 1) {
      writeNoise(disk, mark * 7 * MIB, 7 * MIB);
      const { points } = rig.engine.status;
      rig.engine.pointNow();
      await until('a point, or none', () => rig.engine.status.points > points || phase(rig, disk) === DiskPhase.TRACKING, detailsOf(rig));
    }
    expect(phase(rig, disk)).toBe(DiskPhase.TRACKING);
    expect(rig.engine.status.disks[0]?.problem?.code).toBe('NO_SPACE');
    writeNoise(disk, 40 * MIB, MIB);
    rig.server.behaviour.lag = 0;
    await rig.server.flush();
    await until('there is room', () => codes(rig).includes('LOG_HAS_ROOM'), detailsOf(rig));
    expect(equals(await rig.point(), disk)).toBe(true);
    expect(generations(rig, disk)).toBe(1);
  });

  it('copies in pieces what no cut can hold', async () => {
    const [disk] = disks(64 * MIB) as [LoopDisk];
    const log = { directory: undefined, quota: 16 * MIB, segment: 4 * MIB, memory: 8 * MIB };
    const rig = await rigOf([disk.path], { log });
    rig.protect([disk.path]);
    await rig.point();
    writeNoise(disk, 0, 60 * MIB);
    rig.engine.pointNow();
    await until('it is copied anew', () => generations(rig, disk) === 2 && phase(rig, disk) === DiskPhase.REPLICATING, detailsOf(rig));
    expect(codes(rig)).toContain('CONTINUITY_LOST');
    expect(equals(await rig.point(), disk)).toBe(true);
    expect(rig.server.violations).toEqual([]);
  });

  it('copies one disk anew when the server asks for it', async () => {
    const [disk, other] = disks(16 * MIB, 8 * MIB) as [LoopDisk, LoopDisk];
    const rig = await rigOf([disk.path, other.path]);
    rig.protect([disk.path, other.path]);
    await rig.point();
    await rig.server.say({ case: 'resyncNeeded', value: { diskId: idBytes(rig.disk(disk.path).id), reason: 'a hole in its history' } });
    await until('it is copied anew', () => generations(rig, disk) === 2 && phase(rig, disk) === DiskPhase.REPLICATING, detailsOf(rig));
    const state = await rig.point();
    expect([equals(state, disk), equals(state, other)]).toEqual([true, true]);
    expect(generations(rig, other)).toBe(1);
    expect(rig.events.map(({ text }) => text).join()).toContain('a hole in its history');
  });

  it('begins anew when the server cannot take what the log holds', async () => {
    const [disk, other] = disks(8 * MIB, 80 * MIB) as [LoopDisk, LoopDisk];
    const rig = await rigOf([disk.path, other.path]);
    rig.protect([disk.path, other.path]);
    await rig.point();
    rig.server.behaviour.lag = 1000;
    rig.engine.pointNow();
    await until('a cut is held', () => rig.server.journal.length === 1);
    await rig.server.say({ case: 'resyncNeeded', value: { diskId: idBytes(rig.disk(disk.path).id), reason: 'another vault' } });
    // The server forgets what it could not take.
    rig.server.loseDisk();
    rig.server.behaviour.lag = 0;
    // Whoever asks for points all the time gets none before both are copied.
    const asking = setInterval(() => rig.engine.pointNow(), 2);
    undo.push(() => clearInterval(asking));
    await until('both are copied anew', () => generations(rig, disk) + generations(rig, other) === 4, detailsOf(rig));
    await inPhase(rig, other, DiskPhase.REPLICATING);
    clearInterval(asking);
    write(disk, MIB, 4096, 3);
    const state = await rig.point();
    expect([equals(state, disk), equals(state, other)]).toEqual([true, true]);
    const begun = rig.server.vault.flatMap(({ cut }) => cut.generations).slice(2);
    expect(begun.map(({ parent }) => parent)).toEqual([undefined, undefined]);
    expect(codes(rig)).toContain('RESYNCHRONIZATION');
    expect(rig.server.violations).toEqual([]);
  });

  it('makes no points while a disk is missing, and goes on when it is there again', async () => {
    const [disk, lost] = disks(16 * MIB, 8 * MIB) as [LoopDisk, LoopDisk];
    const rig = await rigOf([disk.path, lost.path]);
    rig.protect([disk.path, lost.path]);
    await rig.point();
    await rig.engine.stop();
    run('losetup', '--detach', lost.path);
    // It goes when the last one who looks at it has closed it.
    await until('it is detached', () => !fs.existsSync(`/sys/block/${lost.name}/loop/backing_file`), detailsOf(rig));
    await rig.restart();
    rig.protect([disk.path, lost.path]);
    await inPhase(rig, lost, DiskPhase.FAILED);
    await inPhase(rig, disk, DiskPhase.TRACKING);
    write(disk, MIB, 4096, 3);
    rig.engine.pointNow();
    // Shorter than the time until it is looked for again.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const { points } = rig.engine.status;
    run('losetup', lost.path, lost.image);
    await inPhase(rig, lost, DiskPhase.REPLICATING);
    const state = await rig.point();
    expect([equals(state, disk), equals(state, lost)]).toEqual([true, true]);
    expect([generations(rig, disk), points]).toEqual([1, 0]);
  });

  it('does not follow its own writes when its state is on the disk', async () => {
    const [disk] = disks(256 * MIB) as [LoopDisk];
    run('mkfs.ext4', '-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', disk.path);
    const mountPoint = fs.mkdtempSync(path.join(os.tmpdir(), 'own-'));
    run('mount', disk.path, mountPoint);
    undo.push(() => {
      run('umount', mountPoint);
      fs.rmdirSync(mountPoint);
    });
    const directory = path.join(mountPoint, 'agent');
    const log = { directory: undefined, quota: 64 * MIB, segment: 4 * MIB, memory: 0 };
    const rig = await rigOf([disk.path], { directory, log });
    rig.protect([disk.path], { pointIntervalSeconds: 1 });
    const points = () => rig.server.vault.flatMap(({ cut }) => (cut.point === undefined ? [] : cut.epochs));
    await until('many points', () => points().length > 14, detailsOf(rig), 60_000);
    // The file system writes some time stamps late.
    const bytes = points().map(({ dataBytes, zeroBytes }) => Number(dataBytes + zeroBytes));
    expect(bytes.slice(-8).filter((changed) => changed === 0).length).toBeGreaterThanOrEqual(5);
    expect(bytes.slice(-8).reduce((sum, changed) => sum + changed)).toBeLessThan(128 * 1024);
    rig.unprotect();
    await until('it says so', () => codes(rig).includes('PROTECTION_ENDED'), detailsOf(rig));
  });

  it('protects image files by reading them', async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'images-'));
    undo.push(() => fs.rmSync(directory, { recursive: true }));
    const image = path.join(directory, 'disk.img');
    fs.writeFileSync(image, Buffer.alloc(8 * MIB, 1));
    const rig = await rigOf([image]);
    rig.protect([image]);
    expect((await rig.point()).get(image)?.equals(fs.readFileSync(image))).toBe(true);
    await rig.restart();
    fs.writeFileSync(image, Buffer.alloc(8 * MIB, 2));
    rig.protect([image]);
    expect((await rig.point()).get(image)?.equals(fs.readFileSync(image))).toBe(true);
    expect(rig.server.vault.flatMap(({ cut }) => cut.generations)).toHaveLength(1);
    const other = path.join(directory, 'other.img');
    fs.writeFileSync(other, Buffer.alloc(MIB, 3));
    await rig.close();
    undo.pop();
    const both = await rigOf([image, other]);
    both.protect([image, other]);
    expect((await both.point()).size).toBe(2);
    both.protect([image]);
    await until('it is let go', () => both.engine.status.disks.find(({ path: name }) => name === other)?.phase === DiskPhase.UNPROTECTED);
    expect((await both.point()).size).toBe(1);
    both.unprotect();
    await until('it says so', () => codes(both).includes('PROTECTION_ENDED'), detailsOf(both));
  });
});
