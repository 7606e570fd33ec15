import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BLOCK_SIZE } from '@holdfast/block';
import { identifyDevice } from './device.ts';
import { blocksOf } from './testing/changed-blocks.ts';
import { createLiveTrace, MIB } from './testing/live-trace.ts';
import { run } from './testing/loop-disk.ts';
import { NBDKIT, type NbdkitDisk, startNbdkitDisk } from './testing/nbdkit-disk.ts';

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

describe.unless(lacks('root', 'fio', 'mkfs.ext4', ...NBDKIT), 'the trace against the log of nbdkit', () => {
  const live = createLiveTrace();
  let disk: NbdkitDisk;
  beforeEach(async () => {
    disk = await startNbdkitDisk((folder) => ['--filter=log', 'memory', String(SIZE), `logfile=${join(folder, 'log')}`]);
  });
  afterEach(async () => {
    live.clean();
    await disk.close();
  });
  /** What nbdkit wrote down so far. */
  const log = (): string => readFileSync(join(disk.folder, 'log'), 'latin1');

  it('names the very blocks that were written', async () => {
    const { path } = disk;
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
    const { path } = disk;
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
});
