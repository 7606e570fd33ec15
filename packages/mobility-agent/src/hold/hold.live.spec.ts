import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freeze, thaw } from '../platform/ioctl.ts';
import { until } from '../sender/testing/until.ts';
import { chooseFilesystems, type HeldFilesystem, type KeptPath } from './choose-filesystems.ts';
import { parseMountTable } from './mount-table.ts';
import { type Hold, openHold } from './open-hold.ts';
import { releaseLeft } from './release-left.ts';
import { type MountedDisk, mountDisk } from './testing/mounted-disk.ts';
import { WATCHDOG_COMMAND } from './testing/watchdog-command.ts';

const MIB = 1024 * 1024;
/** Milliseconds: longer than anything is waited for here. */
const LONG = 120_000;

/** True while writing to the place does not get on: asked of the kernel, by trying to freeze it. */
const isFrozen = (mountPoint: string): boolean => {
  const fd = openSync(mountPoint, 'r');
  try {
    freeze(fd);
    thaw(fd);
    return false;
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'EBUSY') return true;
    throw reason;
  } finally {
    closeSync(fd);
  }
};

describe.unless(lacks('root', 'losetup', 'mkfs.ext4', 'mkfs.xfs'), 'holding writers', () => {
  const undo: (() => unknown)[] = [];
  let folder: string;
  let log: string;
  beforeEach(() => {
    folder = mkdtempSync('/dev/shm/holdfast-hold-');
    log = join(folder, 'log');
  });
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
    rmSync(folder, { recursive: true, force: true });
  });
  const mounted = (type: 'ext4' | 'xfs', size = 320 * MIB): MountedDisk => {
    const one = mountDisk(type, size);
    undo.push(() => one.close());
    return one;
  };
  const hold = async (): Promise<Hold> => {
    const one = await openHold({ watchdog: WATCHDOG_COMMAND, log });
    undo.push(() => one.end());
    return one;
  };
  const choose = (disks: readonly MountedDisk[], kept: readonly KeptPath[] = []): HeldFilesystem[] =>
    chooseFilesystems({
      system: '/sys',
      mounts: parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8')),
      disks: new Set(disks.map(({ device }) => device)),
      kept,
    });
  /** Writes to files of the place as fast as it gets on. */
  const writeTo = ({ mountPoint }: MountedDisk): { count(): number } => {
    const script = `i=0; while :; do i=$((i+1)); echo $i > ${mountPoint}/file$((i%50)); echo $i > ${folder}/count; done`;
    writeFileSync(`${folder}/count`, '0');
    const writer = spawn('sh', ['-c', script], { stdio: 'ignore' });
    undo.push(async () => {
      writer.kill('SIGKILL');
      if (writer.exitCode === null && writer.signalCode === null) await once(writer, 'exit');
    });
    return { count: () => Number(readFileSync(`${folder}/count`, 'utf8') || -1) };
  };
  const childOf = (pid: number): number =>
    Number(execFileSync('pgrep', ['-P', String(pid), '-f', 'watchdog-process'], { encoding: 'utf8' }).trim());
  /** The watchdog of a hold of this process. */
  const watchdogPid = (): number => childOf(process.pid);

  it('freezes ext4 and XFS of protected disks under writers, and thaws them', async () => {
    const disks = [mounted('ext4'), mounted('xfs')];
    const writer = writeTo(disks[0]!);
    await until('it writes', () => writer.count() > 100);
    const one = await hold();
    const chosen = choose(disks);
    expect(chosen.map(({ mountPoint }) => mountPoint).sort()).toEqual(disks.map(({ mountPoint }) => mountPoint).sort());
    expect(disks.map(({ mountPoint }) => isFrozen(mountPoint))).toEqual([false, false]);
    await one.freeze(chosen, LONG);
    expect(disks.map(({ mountPoint }) => isFrozen(mountPoint))).toEqual([true, true]);
    const image = readFileSync(disks[0]!.disk.image);
    const count = writer.count();
    // A frozen ext4 has nothing in its journal that is to be recovered.
    expect(execFileSync('dumpe2fs', ['-h', disks[0]!.disk.path], { encoding: 'utf8', stdio: 'pipe' })).not.toContain('needs_recovery');
    expect(readFileSync(disks[0]!.disk.image).equals(image)).toBe(true);
    const report = await one.end();
    expect(report).toMatchObject({ moving: [], problems: [] });
    expect(report.broken).toBeUndefined();
    expect([...report.frozen].sort()).toEqual(disks.map(({ mountPoint }) => mountPoint).sort());
    expect(disks.map(({ mountPoint }) => isFrozen(mountPoint))).toEqual([false, false]);
    await until('it writes again', () => writer.count() > count + 100);
    expect(execFileSync('dumpe2fs', ['-h', disks[0]!.disk.path], { encoding: 'utf8', stdio: 'pipe' })).toContain('needs_recovery');
    expect(existsSync(log)).toBe(false);
  });

  it('is kept by a process whose program is locked into memory', async () => {
    const disk = mounted('ext4');
    const one = await hold();
    await one.freeze(choose([disk]), LONG);
    const lockedKilobytes = (pid: number | 'self'): number =>
      Number(/^VmLck:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]);
    const program = Number(/^VmExe:\s+(\d+)/m.exec(readFileSync(`/proc/${watchdogPid()}/status`, 'latin1'))![1]);
    expect(program).toBeGreaterThan(1000);
    expect(lockedKilobytes(watchdogPid())).toBeGreaterThanOrEqual(program);
    expect(lockedKilobytes('self')).toBeLessThan(program);
    await one.end();
  });

  it('lets go when time is up, and says so', async () => {
    const disk = mounted('ext4');
    const one = await hold();
    await one.freeze(choose([disk]), 300);
    await until('it is thawed', () => !isFrozen(disk.mountPoint));
    expect(await one.end()).toMatchObject({ broken: 'it took longer than 300 ms', frozen: [disk.mountPoint] });
  });

  it('leaves alone what somebody else has frozen, and thaws the rest', async () => {
    const [theirs, other] = [mounted('ext4'), mounted('xfs')];
    const fd = openSync(theirs.mountPoint, 'r');
    freeze(fd);
    undo.push(() => closeSync(fd));
    const one = await hold();
    const chosen = choose([theirs, other]);
    await expect(one.freeze([...chosen].reverse(), LONG)).rejects.toMatchObject({ code: 'HOLD_FAILED', thing: theirs.mountPoint });
    await one.end();
    expect([isFrozen(theirs.mountPoint), isFrozen(other.mountPoint)]).toEqual([true, false]);
    thaw(fd);
  });

  it('never freezes what holds files of the agent, and knows whether it was still', async () => {
    const [own, other, idle] = [mounted('ext4'), mounted('xfs'), mounted('ext4')];
    const chosen = choose(
      [own, other, idle],
      [own, idle].map(({ mountPoint }) => ({ path: join(mountPoint, 'agent/log'), what: 'the state of the agent' })),
    );
    const one = await hold();
    await one.freeze(chosen, LONG);
    // Asking the idle one would write to it.
    expect([own, other].map(({ mountPoint }) => isFrozen(mountPoint))).toEqual([false, true]);
    writeFileSync(join(own.mountPoint, 'file'), 'x');
    execFileSync('sync', ['-f', own.mountPoint]);
    const report = await one.end();
    expect(report.frozen).toEqual([other.mountPoint]);
    expect(report.still).toEqual([idle.mountPoint]);
    expect(report.moving).toEqual([{ mountPoint: own.mountPoint, why: 'the state of the agent is on it' }]);
  });

  it('freezes what lies in a file of another file system first', async () => {
    const lower = mounted('ext4');
    const image = join(lower.mountPoint, 'image');
    execFileSync('truncate', ['-s', '100M', image]);
    const loop = execFileSync('losetup', ['--find', '--show', image], { encoding: 'utf8' }).trim();
    undo.push(() => execFileSync('losetup', ['--detach', loop]));
    execFileSync('mkfs.ext4', ['-q', loop]);
    const upper = mkdtempSync(join(folder, 'upper-'));
    execFileSync('mount', [loop, upper]);
    undo.push(() => execFileSync('umount', [upper]));
    const chosen = choose([lower]);
    expect(chosen.map(({ mountPoint }) => mountPoint)).toEqual([upper, lower.mountPoint]);
    writeFileSync(join(upper, 'file'), Buffer.alloc(8 * MIB, 1));
    const one = await hold();
    await one.freeze(chosen, LONG);
    const report = await one.end();
    expect([report.broken, report.frozen]).toEqual([undefined, [upper, lower.mountPoint]]);
    // What has files of the agent in it must not be cut off from below either.
    expect(choose([lower], [{ path: upper, what: 'the agent' }]).every(({ kept }) => kept !== undefined)).toBe(true);
  });

  it('is let go from here when its watchdog is killed', async () => {
    const disk = mounted('ext4');
    const one = await hold();
    await one.freeze(choose([disk]), LONG);
    expect(isFrozen(disk.mountPoint)).toBe(true);
    process.kill(watchdogPid(), 'SIGKILL');
    await until('it is thawed', () => !isFrozen(disk.mountPoint));
    expect(await one.end()).toMatchObject({ broken: expect.stringContaining('SIGKILL') });
    expect(existsSync(log)).toBe(false);
  });

  describe('of an agent that is killed', () => {
    /** A process that freezes the disk and then waits. */
    const agent = async (disk: MountedDisk): Promise<ChildProcess> => {
      const order = (file: string): string => JSON.stringify(join(__dirname, file));
      const program = `const { openHold } = await import(${order('open-hold.ts')});
        const hold = await openHold({ watchdog: ${JSON.stringify(WATCHDOG_COMMAND)}, log: ${JSON.stringify(log)} });
        await hold.freeze(${JSON.stringify(choose([disk]))}, ${LONG});
        console.log('frozen');
        setInterval(() => undefined, 1000);`;
      const child = spawn(process.execPath, ['--conditions=@holdfast/source', '--input-type=module', '--eval', program], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout!, 'data');
      expect(isFrozen(disk.mountPoint)).toBe(true);
      return child;
    };

    it('is let go by its watchdog at once', async () => {
      const disk = mounted('xfs');
      const child = await agent(disk);
      child.kill('SIGKILL');
      await until('it is thawed', () => !isFrozen(disk.mountPoint));
      await until('the watchdog has ended', () => !existsSync(log));
    });

    it('is let go by the next agent when the watchdog is killed too', async () => {
      const disk = mounted('ext4');
      const child = await agent(disk);
      const watchdog = childOf(child.pid!);
      process.kill(watchdog, 'SIGSTOP');
      expect(await releaseLeft(log)).toBeUndefined();
      child.kill('SIGKILL');
      await once(child, 'exit');
      process.kill(watchdog, 'SIGKILL');
      expect(isFrozen(disk.mountPoint)).toBe(true);
      let left: Awaited<ReturnType<typeof releaseLeft>>;
      // Its last thread lets go of the log a little later.
      while (left === undefined) left = await releaseLeft(log);
      expect(left).toMatchObject({ undone: [{ kind: 'thaw', mountPoint: disk.mountPoint }], problems: [] });
      expect(isFrozen(disk.mountPoint)).toBe(false);
    });
  });
});
