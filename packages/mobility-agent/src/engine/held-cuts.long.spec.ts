import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseMountTable } from '../hold/mount-table.ts';
import { mountSlowDisk } from '../hold/testing/slow-disk.ts';
import { findControlGroups } from '../hold/throttle.ts';
import { until } from '../sender/testing/until.ts';
import { NBDKIT } from '../trace/testing/nbdkit-disk.ts';
import { type ConsistencyRig, openConsistencyRig } from './testing/consistency-rig.ts';

/** Milliseconds for a cut that is tried until it is given up. */
const PATIENCE = 120_000;
const TRIES = 3;

const NEEDS = ['root', 'mkfs.ext4', 'fio', 'chrt', ...NBDKIT] as const;

describe.unless(lacks(...NEEDS), 'cuts beside writers that let none converge', () => {
  let one: ConsistencyRig;
  let load: ChildProcess;
  afterEach(async () => {
    load.kill('SIGKILL');
    await once(load, 'close');
    await one.close();
  });

  /** Writes past the page cache to so few blocks that each is written again while it is read. Who had to wait for a processor would rest for long enough. */
  const saturate = async (): Promise<void> => {
    const [{ mountPoint }] = one.disks as [(typeof one.disks)[0]];
    const often = ['--numjobs=2', '--iodepth=32', '--size=64k', '--bs=4k', '--rw=randwrite', '--time_based', '--runtime=1h'];
    const how = ['--direct=1', '--ioengine=libaio', '--thread', '--eta=never'];
    const fio = ['fio', '--name=hot', `--filename=${path.join(mountPoint, 'hot')}`, ...often, ...how];
    load = spawn('chrt', ['--fifo', '1', ...fio], { stdio: 'ignore' });
    const stat = `/sys/block/${one.disks[0]!.disk.name}/stat`;
    const writes = (): number => Number(readFileSync(stat, 'utf8').trim().split(/\s+/)[4]);
    const before = writes();
    await until('it writes', () => writes() > before + 1_000, writes, PATIENCE);
  };
  const policy = (hold: string): void => one.rig.protect([one.disks[0]!.disk.path], { hold, holdLimitMilliseconds: 10_000 });
  /** Points, and cuts that did not converge, of so many. */
  const tryCuts = async (most: number): Promise<{ points: number; conflicts: number }> => {
    const { engine } = one.rig;
    const before = engine.status;
    const made = () => ({ points: engine.status.points - before.points, conflicts: engine.status.conflicts - before.conflicts });
    for (let tries = 1; tries <= most; tries += 1) {
      engine.pointNow();
      await until(
        'a cut is made or given up',
        () => made().points + made().conflicts >= tries,
        () => [made(), one.rig.events.map(({ code, text }) => `${code} ${text}`)],
        PATIENCE,
      );
    }
    return made();
  };
  const limits = (): string => {
    const { legacy } = findControlGroups(parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8')));
    return legacy === undefined ? '' : readFileSync(path.join(legacy, 'blkio.throttle.write_iops_device'), 'utf8');
  };

  it.each(['throttle', 'freeze'])('converge when the policy says %s, and do not when it says never; nothing stays held', async (hold) => {
    one = await openConsistencyRig([await mountSlowDisk(64)]);
    await saturate();
    policy('never');
    expect(await tryCuts(1)).toEqual({ points: 0, conflicts: 1 });
    policy(hold);
    const held = await tryCuts(TRIES);
    expect(held).toEqual({ points: TRIES, conflicts: 0 });
    expect(limits()).not.toContain(`${one.disks[0]!.device} `);
    expect(one.rig.events.filter(({ code }) => code === 'HOLD_FAILED')).toEqual([]);
  });
});
