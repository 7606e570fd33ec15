import { writeFileSync } from 'node:fs';
import { identifyDevice } from './device.ts';
import { blocksOf } from './testing/changed-blocks.ts';
import { codeOf, createLiveTrace, lossOf, MIB, writeDirect } from './testing/live-trace.ts';
import { run } from './testing/loop-disk.ts';
import { createZramDisk, ZRAM, type ZramDisk } from './testing/zram-disk.ts';
import type { WriteSink } from './write-trace.ts';

const live = createLiveTrace();
const { instance, open, clean } = live;

type Told = readonly [what: string, block: number, blocks: number, discarded?: boolean];
const told: Told[] = [];
const never = (): never => {
  throw new Error('such a disk has no requests');
};
const sink: WriteSink = {
  issued: never,
  requeued: never,
  completed: never,
  queued: (_disk, offset, length) => void told.push(['queued', offset / 4096, length / 4096]),
  ended: (_disk, offset, length, _time, discarded) => void told.push(['ended', offset / 4096, length / 4096, discarded]),
};

describe.unless(lacks('root', ZRAM), 'write trace of a disk that is handled without requests', () => {
  let disk: ZramDisk;

  beforeEach(() => {
    disk = createZramDisk(16 * MIB);
    told.splice(0);
  });

  afterEach(() => {
    clean();
    disk.detach();
  });

  const attach = (): ReturnType<typeof live.attach> => {
    const attached = live.session.attach(identifyDevice(disk.path), sink);
    live.session.confirm(attached.index);
    return attached;
  };

  it('names what is queued and what ends, and misses nothing', () => {
    const { trace } = open();
    expect(identifyDevice(disk.path).bioBased).toBe(true);
    const { index, continuity } = attach();
    expect(continuity).toEqual({ kind: 'new' });
    writeDirect(disk.path, 3, 2);
    run('blkdiscard', '--offset', String(MIB), '--length', String(MIB), disk.path);
    run('dd', 'if=/dev/urandom', `of=${disk.path}`, 'bs=4k', 'seek=1000', 'count=1', 'oflag=direct,dsync', 'conv=notrunc');
    trace.verify(sink);
    // What happened on different processors is not told in order.
    expect(told.filter(([, , blocks]) => blocks > 0).sort(([a, at], [b, other]) => at - other || b.localeCompare(a))).toEqual([
      ['queued', 3, 1],
      ['ended', 3, 1, false],
      ['queued', 4, 1],
      ['ended', 4, 1, false],
      ['queued', 256, 256],
      ['ended', 256, 256, true],
      ['queued', 1000, 1],
      ['ended', 1000, 1, false],
    ]);
    expect([...trace.dirty(index).runs()]).toEqual([
      { first: 3, count: 2 },
      { first: 256, count: 256 },
      { first: 1000, count: 1 },
    ]);
    expect(trace.idle(index)).toBe(true);
  });

  it('goes on where it was closed, writes in between included', () => {
    open();
    const { index } = attach();
    writeDirect(disk.path, 1);
    live.session.trace.drain(sink);
    live.session.trace.close();
    writeDirect(disk.path, 2);
    open();
    writeDirect(disk.path, 3);
    expect(attach()).toEqual({ index, continuity: { kind: 'continuous' } });
    live.session.trace.verify(sink);
    expect(blocksOf(live.session.trace.dirty(index))).toEqual([1, 2, 3]);
  });

  it('finds that events were off, of beginnings by the count of the kernel', () => {
    const { trace } = open();
    attach();
    writeFileSync(`${instance}/events/block/block_bio_queue/enable`, '0');
    writeDirect(disk.path, 1, 3);
    writeFileSync(`${instance}/events/block/block_bio_queue/enable`, '1');
    expect(lossOf(() => trace.verify(sink))).toMatch(/24 sectors written to it are missing/);
  });

  it('leaves a device to others whose events cannot be matched', () => {
    open();
    // A device that hands on in place what it is given looks like one whose beginnings are another's.
    const device = identifyDevice(disk.path);
    const foreign = { ...device, minor: device.minor + 1000 };
    expect(codeOf(() => live.session.attach(foreign, sink))).toBe('DEVICE_NOT_TRACEABLE');
  });
});
