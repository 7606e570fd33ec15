import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { kernelDevice } from './device.ts';
import { openDiskCounters } from './disk-counters.ts';
import { nonZeroBlocks } from './testing/changed-blocks.ts';
import { createLiveTrace, MIB, randomWrites } from './testing/live-trace.ts';
import type { LoopDisk } from './testing/loop-disk.ts';
import { openTraceInstance, removeTraceInstance } from './trace-instance.ts';
import { findTracefs } from './tracefs.ts';

const KILLS = 20;
const CONTROL_KILLS = 20;

const live = createLiveTrace();
const { options, sink, disk, attach, open, clean } = live;
const processes: ChildProcess[] = [];

afterEach(async () => {
  for (const child of processes.splice(0)) await end(child);
  clean();
});

const start = (script: string, ...args: string[]): ChildProcess => {
  const path = join(__dirname, 'testing', script);
  const child = spawn(process.execPath, ['--conditions=@holdfast/source', path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  processes.push(child);
  return child;
};

/** The first line a process prints; fails if it ends without. */
const firstLine = async (child: ChildProcess): Promise<string> => {
  for await (const line of createInterface({ input: child.stdout! })) return line;
  throw new Error('it said nothing');
};

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
};

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Steady load of about 20,000 events a second; resolves once it writes. */
const load = async ({ path, name }: LoopDisk): Promise<ChildProcess> => {
  const child = randomWrites(path, '--bsrange=4k-4k', '--rate_iops=10000', '--time_based', '--runtime=600');
  processes.push(child);
  const counters = openDiskCounters(name);
  const before = counters.writtenSectors();
  while (counters.writtenSectors() === before && child.exitCode === null) await pause(1);
  counters.close();
  return child;
};

describe('SIGKILL at any instruction', () => {
  it('loses no event, needs no proof again, and the witness agrees', async () => {
    const loop = disk(512 * MIB);
    open({ bufferBytes: 128 * MIB });
    expect(attach(loop).continuity.kind).toBe('new');
    live.session.trace.close();
    const writer = await load(loop);
    const found: string[] = [];
    for (let kill = 0; kill < KILLS; kill += 1) {
      // Half kill themselves in the middle of a page, some of them of the first; the rest are killed whenever it happens.
      const fuse = kill % 2 === 0 ? Math.ceil(Math.random() * 5000) : 0;
      const child = start('traced-process.ts', JSON.stringify({ ...options, delay: 300, fuse, later: kill % 4 > 0 }), loop.path);
      found.push(await firstLine(child));
      const gone = once(child, 'exit');
      if (fuse === 0) {
        await pause(Math.random() * 100);
        child.kill('SIGKILL');
      }
      await gone;
    }
    expect(found).toEqual(Array.from({ length: KILLS }, () => '{"kind":"continuous"}'));
    await end(writer);
    open();
    const { index, continuity } = attach(loop);
    expect(continuity).toEqual({ kind: 'continuous' });
    live.session.trace.verify(sink);
    const dirty = live.session.trace.dirty(index);
    const written = nonZeroBlocks(loop.image);
    expect(written.filter((block) => !dirty.has(block))).toEqual([]);
    expect(dirty.size).toBe(written.length);
    expect(dirty.size).toBeLessThan(dirty.blocks);
    expect(dirty.size).toBeGreaterThan(1000);
  });

  it('leaves a disk that was just being attached to be attached anew', async () => {
    const first = disk();
    const second = disk();
    open();
    const { index } = attach(first);
    live.session.trace.close();
    await load(second);
    // The first event it sees is one of the new disk: it ends before the baseline is known.
    const child = start('traced-process.ts', JSON.stringify({ ...options, delay: 0, fuse: 1, later: false }), second.path);
    await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
    open();
    expect(attach(first)).toEqual({ index, continuity: { kind: 'continuous' } });
    expect(attach(second).continuity).toEqual({ kind: 'new' });
    live.session.trace.verify(sink);
  });

  it('would lose events without slots', async () => {
    const loop = disk();
    const tracefs = findTracefs();
    const name = `${options.stateName}-control`;
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-control-'));
    const [major, minor] = readFileSync(`/sys/block/${loop.name}/dev`, 'latin1').split(':').map(Number);
    await load(loop);
    let unprovable = 0;
    try {
      for (let kill = 0; kill < CONTROL_KILLS && unprovable === 0; kill += 1) {
        const file = join(folder, String(kill));
        const child = start('collecting-process.ts', name, file, String(kernelDevice({ major: major!, minor: minor! })));
        await firstLine(child);
        while (!existsSync(file)) await pause(1);
        await pause(Math.random() * 100);
        await end(child);
        const instance = openTraceInstance(tracefs, name)!;
        const booked = instance.cpus.map(() => 0);
        for (const line of readFileSync(file, 'latin1').trim().split('\n'))
          booked[Number(line.split(' ')[0])]! += Number(line.split(' ')[1]);
        if (booked.some((records, cpu) => instance.counters(cpu).read !== records)) unprovable += 1;
      }
    } finally {
      removeTraceInstance(tracefs, name);
      rmSync(folder, { recursive: true });
    }
    expect(unprovable).toBeGreaterThan(0);
  });
});
