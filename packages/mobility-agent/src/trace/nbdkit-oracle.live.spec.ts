import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BLOCK_SIZE } from '@holdfast/block';
import { until } from '../sender/testing/until.ts';
import { identifyDevice } from './device.ts';
import { blocksOf } from './testing/changed-blocks.ts';
import { createLiveTrace, MIB } from './testing/live-trace.ts';
import { run } from './testing/loop-disk.ts';

/*
 * An oracle that is not ours: nbdkit's log filter writes down each write that reaches the disk. The disk is a loop device over a file of nbdfuse,
 * which is a client of nbdkit; so whatever the kernel writes to it is in the log. For the same workload the trace must name the same blocks.
 */

const SIZE = 96 * MIB;
const REQUEST = / (Write|Trim|Zero) id=\d+ offset=(0x[0-9a-f]+) count=(0x[0-9a-f]+) /;

/** Blocks that nbdkit was told to write, zero or trim. */
const loggedBlocks = (log: string): Set<number> => {
  const blocks = new Set<number>();
  for (const line of log.split('\n')) {
    const [, , offset, count] = REQUEST.exec(line) ?? [];
    if (offset === undefined || count === undefined) continue;
    const last = Math.floor((Number(offset) + Number(count) - 1) / BLOCK_SIZE);
    for (let block = Math.floor(Number(offset) / BLOCK_SIZE); block <= last; block += 1) blocks.add(block);
  }
  return blocks;
};

describe.unless(
  lacks('root', 'losetup', 'nbdkit', 'nbdfuse', 'fio', 'mkfs.ext4', '/dev/fuse'),
  'the trace against the log of nbdkit',
  () => {
    const live = createLiveTrace();
    const undo: (() => unknown)[] = [];
    afterEach(async () => {
      live.clean();
      for (const step of undo.splice(0).reverse()) await step();
    });

    const start = (program: string, ...args: string[]): ChildProcess => {
      const child = spawn(program, args, { stdio: 'ignore' });
      undo.push(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const gone = once(child, 'exit');
        child.kill('SIGTERM');
        await gone;
      });
      return child;
    };

    /** A disk behind nbdkit, and what its log says so far. */
    const loggedDisk = async (): Promise<{ path: string; log(): string }> => {
      const directory = mkdtempSync(join(tmpdir(), 'nbdkit-oracle-'));
      undo.push(() => rmSync(directory, { recursive: true }));
      const [socket, log, file] = [join(directory, 'socket'), join(directory, 'log'), join(directory, 'disk')];
      start('nbdkit', '--foreground', '--unix', socket, '--filter=log', 'memory', String(SIZE), `logfile=${log}`);
      await until('nbdkit listens', () => existsSync(socket));
      writeFileSync(file, '');
      start('nbdfuse', file, `nbd+unix:///?socket=${socket}`);
      undo.push(() => run('umount', file));
      await until('the disk is there', () => readFileSync('/proc/self/mounts', 'latin1').includes(` ${file} `));
      const path = run('losetup', '--find', '--show', '--direct-io=on', file);
      undo.push(() => run('losetup', '--detach', path));
      return { path, log: () => readFileSync(log, 'latin1') };
    };

    it('names the very blocks that were written', async () => {
      const { path, log } = await loggedDisk();
      live.open();
      const { index } = live.session.attach(identifyDevice(path), live.sink);
      live.session.confirm(index);
      const before = log().length;
      run(
        'fio',
        '--name=direct',
        `--filename=${path}`,
        '--rw=randwrite',
        '--bsrange=512-40k',
        '--blockalign=512',
        '--direct=1',
        '--size=24m',
        '--io_size=6m',
        '--ioengine=libaio',
        '--iodepth=8',
      );
      run(
        'fio',
        '--name=buffered',
        `--filename=${path}`,
        '--rw=randwrite',
        '--bs=4k',
        '--offset=32m',
        '--size=16m',
        '--io_size=4m',
        '--end_fsync=1',
      );
      run('mkfs.ext4', '-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0,nodiscard,offset=50331648', path, '40m');
      run('sync', path);
      live.session.trace.verify(live.sink);
      const written = loggedBlocks(log().slice(before));
      const dirty = new Set(blocksOf(live.session.trace.dirty(index)));
      expect([...written].filter((block) => !dirty.has(block))).toEqual([]);
      expect([...dirty].filter((block) => !written.has(block))).toEqual([]);
      expect(written.size).toBeGreaterThan(3000);
    });

    it('would show what the trace does not see', async () => {
      const { path, log } = await loggedDisk();
      live.open();
      const { index } = live.session.attach(identifyDevice(path), live.sink);
      live.session.confirm(index);
      const before = log().length;
      // Behind the trace's back: the event of completions is off for one write.
      const enable = join(live.instance, 'events/block/block_rq_complete/enable');
      run('dd', 'if=/dev/urandom', `of=${path}`, 'bs=4k', 'seek=7', 'count=1', 'oflag=direct', 'conv=notrunc');
      writeFileSync(enable, '0');
      run('dd', 'if=/dev/urandom', `of=${path}`, 'bs=4k', 'seek=11', 'count=1', 'oflag=direct', 'conv=notrunc');
      writeFileSync(enable, '1');
      live.session.trace.drain(live.sink);
      const dirty = new Set(blocksOf(live.session.trace.dirty(index)));
      expect([...loggedBlocks(log().slice(before))].filter((block) => !dirty.has(block))).toEqual([11]);
    });
  },
);
