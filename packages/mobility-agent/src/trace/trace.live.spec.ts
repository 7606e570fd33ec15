import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import type { ErrorCode } from '@holdfast/errors';
import { onlineProcessors, parseProcessorList } from '../platform/processors.ts';
import { identifyDevice } from './device.ts';
import { stateBytes } from './memory-layout.ts';
import { blocksOf, nonZeroBlocks } from './testing/changed-blocks.ts';
import { codeOf, createLiveTrace, MIB, randomWrites, writeDirect } from './testing/live-trace.ts';
import { type LoopDisk, run } from './testing/loop-disk.ts';
import { createWriteTrace } from './trace.ts';

const live = createLiveTrace();
const { options, sink, instance, memory, open, disk, attach, clean } = live;

afterEach(clean);

/** Sectors the kernel counted as written or discarded. */
const counted = ({ name }: LoopDisk): number => {
  const columns = readFileSync(`/sys/block/${name}/stat`, 'latin1').trim().split(/\s+/).map(Number);
  return columns[6]! + columns[13]!;
};

describe('write trace', () => {
  it('names exactly the blocks real writers changed, and every sector', async () => {
    const loop = disk(64 * MIB, 2 * MIB);
    const before = counted(loop);
    const { trace } = open();
    const { index, continuity } = attach(loop);
    expect(continuity).toEqual({ kind: 'new' });
    const start = { ...sink.seen };
    writeDirect(loop.path, 300, 7);
    writeDirect(`${loop.path}p1`, 100);
    run('dd', 'if=/dev/urandom', `of=${loop.path}`, 'bs=64k', 'seek=100', 'count=40', 'conv=notrunc,fsync');
    run('dd', 'if=/dev/urandom', `of=${loop.path}`, 'bs=512', 'seek=100001', 'count=3', 'oflag=direct,dsync', 'conv=notrunc');
    run('dd', 'if=/dev/urandom', `of=${loop.path}p1`, 'bs=8k', 'seek=1000', 'count=2', 'conv=notrunc,fdatasync');
    await once(randomWrites(loop.path, '--offset=32m', '--io_size=8m'), 'exit');
    trace.verify(sink);
    const dirty = blocksOf(trace.dirty(index));
    expect(dirty).toEqual(nonZeroBlocks(loop.image));
    expect(dirty.length).toBeGreaterThan(600);
    expect(sink.seen.sectors - start.sectors).toBe(counted(loop) - before);
    expect(sink.seen.issued - start.issued).toBe(sink.seen.completed - start.completed + sink.seen.requeued - start.requeued);
    expect(trace.idle(index)).toBe(true);
  });

  it('names discards and zeroed ranges', () => {
    const loop = disk();
    const { trace } = open();
    const { index } = attach(loop);
    run('blkdiscard', '--offset', String(MIB), '--length', String(MIB), loop.path);
    trace.drain(sink);
    expect([...trace.dirty(index).runs()]).toEqual([{ first: 256, count: 256 }]);
    run('blkdiscard', '--zeroout', '--offset', String(4 * MIB), '--length', '8192', loop.path);
    trace.verify(sink);
    expect([...trace.dirty(index).runs()]).toEqual([
      { first: 256, count: 256 },
      { first: 1024, count: 2 },
    ]);
  });

  it('tells discards from everything else', () => {
    const loop = disk();
    open();
    attach(loop);
    const told = new Map<number, boolean>();
    const note = (_disk: number, offset: number, _length: number, _time: number, discarded: boolean): void =>
      void told.set(offset / 4096, discarded);
    writeDirect(loop.path, 1);
    run('blkdiscard', '--offset', String(2 * MIB), '--length', String(MIB), loop.path);
    run('blkdiscard', '--zeroout', '--offset', String(4 * MIB), '--length', '8192', loop.path);
    live.session.trace.verify({ ...sink, completed: note });
    expect(Object.fromEntries(told)).toEqual({ 1: false, 512: true, 1024: false });
  });

  it('holds events at times of its own clock, visible once settled', () => {
    const loop = disk();
    const { trace } = open();
    const { index } = attach(loop);
    const before = trace.now();
    writeDirect(loop.path, 5);
    const after = trace.now();
    trace.settle();
    const times: number[] = [];
    const note = (at: number, offset: number, length: number, time: number): void => {
      expect([at, offset, length]).toEqual([index, 5 * 4096, 4096]);
      times.push(time);
    };
    trace.drain({ issued: note, requeued: note, completed: note });
    expect(times).toHaveLength(2);
    expect(Math.min(...times)).toBeGreaterThan(before);
    expect(Math.max(...times)).toBeLessThan(after);
  });

  it('takes more disks in under load without disturbing the others', async () => {
    const first = disk();
    const second = disk();
    const { trace } = open();
    const { index } = attach(first);
    const load = randomWrites(first.path, '--io_size=400m');
    const ended = once(load, 'exit');
    const other = attach(second);
    expect(other.continuity).toEqual({ kind: 'new' });
    for (let turn = 0; turn < 20; turn += 1) {
      trace.drain(sink);
      await new Promise(setImmediate);
    }
    writeDirect(second.path, 9);
    trace.verify(sink);
    live.session.detach(other.index);
    const third = attach(second);
    expect(third).toEqual({ index: other.index, continuity: { kind: 'new' } });
    expect(trace.dirty(third.index).size).toBe(0);
    await ended;
    trace.verify(sink);
    expect(blocksOf(trace.dirty(index))).toEqual(nonZeroBlocks(first.image));
  });

  it('goes on where it was closed, writes in between included', () => {
    const loop = disk();
    open();
    const { index } = attach(loop);
    writeDirect(loop.path, 1);
    live.session.trace.drain(sink);
    live.session.trace.close();
    writeDirect(loop.path, 2);
    open();
    writeDirect(loop.path, 3);
    expect(attach(loop)).toEqual({ index, continuity: { kind: 'continuous' } });
    expect(attach(loop)).toEqual({ index, continuity: { kind: 'continuous' } });
    live.session.trace.verify(sink);
    expect(blocksOf(live.session.trace.dirty(index))).toEqual([1, 2, 3]);
  });

  it('names every block also where it does not tell of issues, over a restart that tells of them again', () => {
    const loop = disk();
    const { trace } = open();
    const { index } = attach(loop);
    const told = (): { issued: number; completed: number } => {
      const before = { ...sink.seen };
      live.session.trace.verify(sink);
      return { issued: sink.seen.issued - before.issued, completed: sink.seen.completed - before.completed };
    };
    told();
    writeDirect(loop.path, 1);
    expect(told()).toEqual({ issued: 1, completed: 1 });
    trace.tellIssues(false);
    writeDirect(loop.path, 2);
    expect(told()).toEqual({ issued: 0, completed: 1 });
    trace.tellIssues(true);
    writeDirect(loop.path, 3);
    expect(told()).toEqual({ issued: 1, completed: 1 });
    trace.tellIssues(false);
    trace.close();
    writeDirect(loop.path, 4);
    open();
    expect(attach(loop)).toEqual({ index, continuity: { kind: 'continuous' } });
    writeDirect(loop.path, 5);
    expect(told()).toEqual({ issued: 1, completed: 2 });
    expect(blocksOf(live.session.trace.dirty(index))).toEqual([1, 2, 3, 4, 5]);
  });

  it('sees that all is over which was under way, of a disk that is never idle', async () => {
    const loop = disk();
    const { trace } = open();
    const { index } = attach(loop);
    const load = randomWrites(loop.path, '--time_based', '--runtime=600');
    const ended = once(load, 'exit');
    try {
      while (trace.idle(index)) await new Promise(setImmediate);
      const watch = trace.underWay(index);
      while (!watch.isOver()) {
        trace.drain(sink);
        await new Promise(setImmediate);
      }
    } finally {
      load.kill();
      await ended;
    }
  });

  it('reports only attached disks, and forgets the others on demand', () => {
    const kept = disk();
    const left = disk();
    open();
    attach(left);
    const { index } = attach(kept);
    open();
    attach(kept);
    writeDirect(left.path, 1);
    writeDirect(kept.path, 2);
    const seen = new Set<number>();
    live.session.trace.drain({ ...sink, completed: (at) => void seen.add(at) });
    expect([...seen]).toEqual([index]);
    live.session.detachOthers();
    expect(attach(left).continuity).toEqual({ kind: 'new' });
    expect(attach(kept).continuity).toEqual({ kind: 'continuous' });
  });
});

describe('a write trace', () => {
  it('has one user', () => {
    open();
    expect(codeOf(() => createWriteTrace(options))).toBe('AGENT_RUNNING');
  });

  it('takes no more of the memory of the kernel than it may, whatever the number of processors', () => {
    open();
    const number = (file: string): number => Number(/\d+/.exec(readFileSync(file, 'latin1'))![0]);
    const [each, together] = [number(`${instance}/buffer_size_kb`), number(`${instance}/buffer_total_size_kb`)];
    const possible = readFileSync('/sys/devices/system/cpu/possible', 'latin1').trim();
    expect(readdirSync(`${instance}/per_cpu`)).toHaveLength(Number(/\d+$/.exec(possible)![0]) + 1);
    const processors = onlineProcessors().length;
    const subBuffer = existsSync(`${instance}/buffer_subbuf_size_kb`) ? number(`${instance}/buffer_subbuf_size_kb`) : 4;
    // The kernel rounds up to whole sub-buffers.
    expect(together).toBeLessThanOrEqual(options.bufferBytes / 1024 + processors * subBuffer);
    expect(together).toBe(each * processors);
    expect(each).toBeGreaterThanOrEqual(16 * subBuffer);
  });

  it('takes nothing from that of another agent on the same disk', () => {
    const loop = disk();
    const { trace } = open();
    const { index } = attach(loop);
    const other = createWriteTrace({ ...options, machineId: 'e'.repeat(32), stateName: `${options.stateName}-other` });
    try {
      const theirs = other.attach(identifyDevice(loop.path), sink);
      writeDirect(loop.path, 7, 2);
      for (const [one, at] of [
        [trace, index],
        [other.trace, theirs.index],
      ] as const) {
        one.verify(sink);
        expect(blocksOf(one.dirty(at))).toEqual([7, 8]);
      }
    } finally {
      other.destroy();
    }
  });

  it('accepts no more after its sink failed, and its successor goes on', () => {
    const loop = disk();
    open();
    const { index } = attach(loop);
    writeDirect(loop.path, 1);
    const failing = {
      ...sink,
      completed: () => {
        throw new Error('sink');
      },
    };
    expect(() => live.session.trace.drain(failing)).toThrow('sink');
    expect(() => live.session.trace.drain(sink)).toThrow('sink');
    open();
    expect(attach(loop).continuity).toEqual({ kind: 'continuous' });
    live.session.trace.verify(sink);
    expect(blocksOf(live.session.trace.dirty(index))).toEqual([1]);
  });

  it('leaves nothing behind when destroyed', () => {
    open();
    attach(disk());
    clean();
    expect([instance, memory].filter(existsSync)).toEqual([]);
  });

  it.each<[string, object, ErrorCode]>([
    ['a machine id that is none', { machineId: 'x' }, 'SETTING_INVALID'],
    ['a name that is a path', { stateName: '../x' }, 'SETTING_INVALID'],
    ['a place on a disk', { memoryDirectory: '/etc' }, 'SETTING_INVALID'],
    ['a buffer too small', { bufferBytes: 4096 }, 'SETTING_INVALID'],
  ])('refuses %s and leaves nothing behind', (_name, wrong, code) => {
    expect(codeOf(() => createWriteTrace({ ...options, ...wrong }))).toBe(code);
    expect([instance, `${memory}/state`].filter(existsSync)).toEqual([]);
  });

  it('is for root', () => {
    process.seteuid!(65534);
    try {
      expect(codeOf(() => createWriteTrace(options))).toBe('NO_PERMISSION');
    } finally {
      process.seteuid!(0);
    }
  });

  describe('with little memory', () => {
    const small = `/dev/shm/holdfast-small-${process.pid}`;
    const mount = (size: string): void => {
      run('mkdir', '-p', small);
      run('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', small);
    };

    afterEach(() => {
      clean();
      // Lazily: the memory stays mapped until it is collected.
      run('umount', '--lazy', small);
      rmdirSync(small);
    });

    it('refuses a disk whose dirty set has no room there, and takes a smaller one', () => {
      const possible = parseProcessorList(readFileSync('/sys/devices/system/cpu/possible', 'latin1').trim()).length;
      mount(`${stateBytes(possible, 64 * 1024) + 32 * 1024}`);
      open({ memoryDirectory: small });
      const large = disk(64 * 1024 * MIB);
      expect(codeOf(() => attach(large))).toBe('NO_SPACE');
      expect(attach(disk())).toEqual({ index: 0, continuity: { kind: 'new' } });
    });

    it('does not begin at all without room for its books', () => {
      mount('8k');
      expect(codeOf(() => open({ memoryDirectory: small }))).toBe('NO_SPACE');
      expect([instance, `${small}/${options.stateName}`].filter(existsSync)).toEqual([]);
    });
  });
});
