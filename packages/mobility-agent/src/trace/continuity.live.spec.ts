import { once } from 'node:events';
import { closeSync, constants, existsSync, openSync, readdirSync, readSync, rmdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { identifyDevice } from './device.ts';
import { blocksOf } from './testing/changed-blocks.ts';
import { createLiveTrace, lossOf, MIB, randomWrites, writeDirect } from './testing/live-trace.ts';
import { type LoopDisk, run } from './testing/loop-disk.ts';

const live = createLiveTrace();
const { sink, instance, memory, open, disk, attach, clean } = live;

afterEach(clean);

describe('continuity is lost', () => {
  const write = (file: string, text: string): void => writeFileSync(`${instance}/${file}`, text);

  it.each<[string, (loop: LoopDisk) => void, RegExp]>([
    [
      'when the events were off for a while',
      (loop) => {
        write('events/block/block_rq_complete/enable', '0');
        writeDirect(loop.path, 1, 3);
        write('events/block/block_rq_complete/enable', '1');
      },
      /^\/dev\/loop\d+: 24 sectors written to it are missing/,
    ],
    [
      'when someone changed the filter',
      (loop) => {
        write('events/block/block_rq_complete/filter', 'nr_sector > 8');
        writeDirect(loop.path, 1);
      },
      /^\/dev\/loop\d+: 8 sectors written to it are missing/,
    ],
    [
      'when someone switched off the event of issues, which no count tells',
      () => write('events/block/block_rq_issue/enable', '0'),
      /settings were changed: the event block_rq_issue is off/,
    ],
    [
      'when someone changed the filter of issues',
      () => write('events/block/block_rq_issue/filter', 'nr_sector > 8'),
      /settings were changed: the filter of the event block_rq_issue is nr_sector > 8/,
    ],
    [
      'when tracing was paused',
      (loop) => {
        write('tracing_on', '0');
        writeDirect(loop.path, 1);
        write('tracing_on', '1');
      },
      /8 sectors written to it are missing/,
    ],
    [
      'when someone emptied the trace',
      (loop) => {
        writeDirect(loop.path, 1);
        write('trace', '');
      },
      /instances\/.*someone else read or emptied it/,
    ],
    [
      'when someone else read events',
      (loop) => {
        writeDirect(loop.path, 1);
        for (const cpu of readdirSync(`${instance}/per_cpu`)) {
          const ring = openSync(`${instance}/per_cpu/${cpu}/trace_pipe_raw`, constants.O_RDONLY | constants.O_NONBLOCK);
          // EAGAIN if nothing was in this one.
          expect(() => readSync(ring, Buffer.alloc(4096))).not.toThrow(/EINVAL|EBUSY/);
          closeSync(ring);
        }
      },
      /someone else read or emptied it/,
    ],
    [
      'when its writes are not counted',
      (loop) => writeFileSync(`/sys/block/${loop.name}/queue/iostats`, '0'),
      /statistics are switched off/,
    ],
    [
      'when its writes were not counted for a while',
      (loop) => {
        writeFileSync(`/sys/block/${loop.name}/queue/iostats`, '0');
        writeDirect(loop.path, 1);
        writeFileSync(`/sys/block/${loop.name}/queue/iostats`, '1');
      },
      /8 sectors written to it were not counted/,
    ],
    [
      'when it shrank',
      (loop) => {
        truncateSync(loop.image, 12 * MIB);
        run('losetup', '--set-capacity', loop.path);
      },
      /it shrank from 16777216 to 12582912 bytes/,
    ],
    [
      'when there is another file behind it',
      (loop) => {
        run('losetup', '--detach', loop.path);
        run('losetup', loop.path, loop.image);
      },
      /another disk behind its name/,
    ],
  ])('%s', (_name, act, words) => {
    const loop = disk();
    const quiet = disk();
    const { trace } = open();
    const { index } = attach(loop);
    attach(quiet);
    trace.verify(sink);
    act(loop);
    expect(lossOf(() => trace.verify(sink))).toMatch(words);
    writeFileSync(`/sys/block/${loop.name}/queue/iostats`, '1');
    // A restart does not make it good.
    open();
    expect(attach(loop)).toEqual({ index: expect.any(Number), continuity: { kind: 'lost', reason: expect.any(String) } });
    // But a new beginning is one.
    live.session.trace.verify(sink);
    writeDirect(loop.path, 2);
    live.session.trace.verify(sink);
    expect(blocksOf(live.session.trace.dirty(index))).toEqual([2]);
  });

  it('when another file is put behind an open loop device', () => {
    const { path, image } = disk();
    const other = `${image}-other`;
    writeFileSync(other, Buffer.alloc(16 * MIB, 1));
    // LOOP_CHANGE_FD, which only takes devices that cannot be written to.
    const change = `import fcntl; device = open("${path}", "rb"); other = open("${other}", "rb"); fcntl.ioctl(device, 0x4c06, other.fileno())`;
    run('losetup', '--detach', path);
    run('losetup', '--read-only', path, image);
    const { trace } = open();
    live.session.attach(identifyDevice(path), sink);
    trace.verify(sink);
    run('python3', '-c', change);
    expect(lossOf(() => trace.verify(sink))).toMatch(/another disk behind its name/);
    run('losetup', '--detach', path);
    run('losetup', path, image);
  });

  it('for every later process too, until somebody has acted on it', () => {
    const loop = disk();
    open();
    attach(loop);
    write('events/block/block_rq_complete/enable', '0');
    open();
    const attachOnly = (): string => live.session.attach(identifyDevice(loop.path), sink).continuity.kind;
    expect(attachOnly()).toBe('lost');
    open();
    expect(attachOnly()).toBe('new');
    open();
    expect(attach(loop).continuity.kind).toBe('new');
    open();
    expect(attach(loop).continuity.kind).toBe('continuous');
  });

  it('of one disk without touching another', () => {
    const loop = disk();
    const quiet = disk();
    const { trace } = open();
    const { index } = attach(loop);
    const other = attach(quiet);
    writeDirect(quiet.path, 4);
    writeFileSync(`/sys/block/${loop.name}/queue/iostats`, '0');
    expect(lossOf(() => trace.verify(sink))).toMatch(loop.path);
    writeFileSync(`/sys/block/${loop.name}/queue/iostats`, '1');
    live.session.detach(index);
    expect(attach(loop).continuity).toEqual({ kind: 'new' });
    expect(attach(quiet)).toEqual({ index: other.index, continuity: { kind: 'continuous' } });
    trace.verify(sink);
    expect(blocksOf(trace.dirty(other.index))).toEqual([4]);
  });

  it('loudly when the ring overflows, also over a restart', async () => {
    const loop = disk();
    open({ bufferBytes: 256 * 1024 });
    attach(loop);
    await once(randomWrites(loop.path, '--io_size=400m'), 'exit');
    expect(lossOf(() => live.session.trace.drain(sink))).toMatch(/overflowed, (\d+|some) events are lost/);
    expect(lossOf(() => live.session.trace.drain(sink))).toMatch(/overflowed/);
    open();
    expect(attach(loop).continuity).toEqual({ kind: 'lost', reason: expect.stringMatching('before the restart') });
  });

  it('when the ring overflowed while nobody was there', async () => {
    const loop = disk();
    open({ bufferBytes: 256 * 1024 });
    attach(loop);
    live.session.trace.close();
    await once(randomWrites(loop.path, '--io_size=400m'), 'exit');
    open();
    expect(attach(loop).continuity).toEqual({ kind: 'lost', reason: expect.stringMatching(/lost \d+ events/) });
    live.session.detach(0);
    expect(attach(loop).continuity).toEqual({ kind: 'new' });
  });

  it.each<[string, () => void, RegExp]>([
    ['removed the instance', () => rmdirSync(instance), /was removed/],
    ['wrote the clock', () => write('trace_clock', 'mono'), /neither booked nor kept/],
    ['chose another clock', () => write('trace_clock', 'global'), /trace_clock/],
    ['resized the buffer', () => write('buffer_size_kb', '100'), /buffer_size_kb/],
    ['left out a processor', () => write('tracing_cpumask', '1'), /tracing_cpumask/],
    ['left out processes', () => write('set_event_pid', '1'), /set_event_pid/],
    ['switched an event off', () => write('events/block/block_rq_issue/enable', '0'), /block_rq_issue is off/],
    ['removed the dirty set', () => rmSync(`${memory}/dirty-0`), /lost before/],
  ])('when someone %s while nobody was there', (_name, act, reason) => {
    const loop = disk();
    open();
    attach(loop);
    live.session.trace.close();
    act();
    open();
    expect(attach(loop).continuity).toEqual({ kind: 'lost', reason: expect.stringMatching(reason) });
  });

  it.unless(
    existsSync('/proc/self/ns/time') ? undefined : 'a kernel without namespaces of clocks',
    'when the machine slept while nobody was there, by its clocks',
    () => {
      const loop = disk();
      open();
      attach(loop);
      live.session.trace.close();
      // What sleep adds to one clock and not to the other, for one program only.
      const attachAfter = (seconds: number): { kind: string; reason?: string } => {
        const program = join(__dirname, 'testing/continuity-main.ts');
        const args = ['--conditions=@holdfast/source', program, JSON.stringify(live.options), loop.path];
        return JSON.parse(run('unshare', '--time', '--boottime', String(seconds), '--', process.execPath, ...args));
      };
      expect(attachAfter(0)).toEqual({ kind: 'continuous' });
      expect(attachAfter(60)).toEqual({ kind: 'lost', reason: expect.stringMatching(/slept or hibernated/) });
    },
  );

  it('does not say so of what never was there', () => {
    const loop = disk();
    open();
    attach(loop);
    live.session.trace.close();
    rmSync(memory, { recursive: true });
    open();
    expect(attach(loop).continuity).toEqual({ kind: 'new' });
  });
});
