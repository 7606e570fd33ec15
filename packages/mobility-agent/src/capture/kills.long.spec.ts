import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { newId } from '@holdfast/protocol';
import { until } from '../sender/testing/until.ts';
import { openDiskCounters } from '../trace/disk-counters.ts';
import { createLoopDisk, type LoopDisk } from '../trace/testing/loop-disk.ts';
import { createWriteTrace } from '../trace/trace.ts';
import { PREFIX_DISK_SIZE } from './testing/exact-prefix.ts';
import type { KilledCaptureSettings } from './testing/killed-capture-main.ts';

const MIB = 1024 * 1024;
/** Small, so that at this rate every block of it is written again and again, and what a killed process left is soon read. */
const SIZE = 32 * MIB;
const WRITERS = 2;
/** `HOLDFAST_KILLS` shortens it; what several runs saw adds up. */
const KILLS = Number(process.env.HOLDFAST_KILLS ?? 200);
/** The machine may have much else to do meanwhile. */
const PATIENCE_MS = 900_000;
/** Writes a second beside those of the writers that are judged. */
const IOPS = 20_000;
/** The control kills nobody: without the check the first few hundred points show it. */
const CONTROL_SECONDS = 120;

interface Campaign {
  readonly kinds: readonly string[];
  readonly points: number;
  readonly wrong: readonly string[];
  readonly skipped: number;
  /** Cuts that a process left in its log, for the next one to hand on. */
  readonly leftBehind: number;
  /** Writes to the disk in a second, as the kernel counts them. */
  readonly rate: number;
  /** The last state is the disk, byte by byte. */
  readonly same: boolean;
}

describe.unless(lacks('root', 'losetup', 'fio'), 'a capture that is killed', () => {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  const start = (program: string, ...args: string[]): ChildProcess => {
    // Processes that are started so often find what is compiled already.
    const env = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'holdfast-kills-compiled') };
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env });
    undo.push(() => end(child, 'SIGKILL'));
    return child;
  };
  const end = async (child: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  };
  const node = (script: string, ...args: string[]): ChildProcess =>
    start(
      process.execPath,
      '--conditions=@holdfast/source',
      '--disable-warning=ExperimentalWarning',
      join(__dirname, 'testing', script),
      ...args,
    );

  const load = async (disk: LoopDisk, acknowledged: string): Promise<() => Promise<number>> => {
    const writers = Array.from({ length: WRITERS }, (_, writer) =>
      node('prefix-writer.ts', String(writer), acknowledged, '2000', '1', disk.path),
    );
    const fio = start(
      'fio',
      ...['--name=load', `--filename=${disk.path}`, `--offset=${PREFIX_DISK_SIZE}`, '--rw=randwrite', '--bs=4k', '--direct=1'],
      ...['--ioengine=libaio', '--iodepth=16', '--thread', `--rate_iops=${IOPS}`, '--norandommap', '--time_based', '--runtime=7200'],
    );
    fio.stdout?.resume();
    const counters = openDiskCounters(disk.name);
    const before = { sectors: counters.writtenSectors(), at: performance.now() };
    return async () => {
      const rate = (counters.writtenSectors() - before.sectors) / 8 / ((performance.now() - before.at) / 1000);
      counters.close();
      for (const child of [...writers, fio]) await end(child, 'SIGTERM');
      return rate;
    };
  };

  const campaign = async (kills: number, checkConflicts: boolean): Promise<Campaign> => {
    const disk = createLoopDisk(SIZE);
    undo.push(() => disk.detach());
    const directory = mkdtempSync('/dev/shm/holdfast-kills-');
    undo.push(() => rmSync(directory, { recursive: true }));
    const [image, acknowledged] = [join(directory, 'image'), join(directory, 'acknowledged')];
    writeFileSync(image, '');
    truncateSync(image, SIZE);
    writeFileSync(acknowledged, Buffer.alloc(8 * WRITERS));
    const machineId = newId();
    const settings: KilledCaptureSettings = {
      ...{ machineId, diskId: newId(), path: disk.path, memoryDirectory: '/dev/shm', logDirectory: directory, image, acknowledged },
      ...{ writers: WRITERS, judged: PREFIX_DISK_SIZE, checkConflicts, once: false },
    };
    undo.push(() =>
      createWriteTrace({ machineId, stateName: `holdfast-kills-${machineId}`, memoryDirectory: '/dev/shm', bufferBytes: MIB }).destroy(),
    );
    const kinds: string[] = [];
    const wrong: string[] = [];
    const sums = { points: 0, skipped: 0, leftBehind: 0 };
    const run = (once: boolean): ChildProcess => {
      const child = node('killed-capture-main.ts', JSON.stringify({ ...settings, once }));
      createInterface({ input: child.stdout! }).on('line', (line) => {
        if (!line.endsWith('}')) return;
        const said = JSON.parse(line) as { continuity?: string; left?: number; point?: string; wrong?: string; skipped?: string };
        if (said.continuity !== undefined) kinds.push(said.continuity);
        if (said.point !== undefined) sums.points += 1;
        if (said.wrong !== undefined) wrong.push(`point ${said.point}: ${said.wrong}`);
        if (said.skipped !== undefined) sums.skipped += 1;
        sums.leftBehind += said.left ?? 0;
      });
      return child;
    };
    const stopLoad = await load(disk, acknowledged);
    if (kills === 0) {
      const child = run(false);
      const over = performance.now() + CONTROL_SECONDS * 1000;
      await until(
        'a wrong point',
        () => wrong.length > 0 || performance.now() > over,
        () => sums,
        CONTROL_SECONDS * 2000,
      );
      await end(child, 'SIGKILL');
    }
    for (let kill = 0; kill < kills; kill += 1) {
      const child = run(false);
      await until(
        'it has its disk',
        () => kinds.length > kill || child.exitCode !== null,
        () => [kill, ...kinds.slice(-2)],
        PATIENCE_MS,
      );
      if (child.exitCode !== null) throw new Error(`it ended by itself after ${kill} kills`);
      // Half of them at any moment of the start and the first cut; the others once that is made. The first of all copies.
      const before = sums.points;
      if (kill % 2 === 0) {
        const pointOrEnd = (): boolean => sums.points > before || child.exitCode !== null || child.signalCode !== null;
        await until('it makes a point', pointOrEnd, () => [kill, sums], PATIENCE_MS);
      }
      await new Promise((resolve) => setTimeout(resolve, Math.random() * (kill % 2 === 0 ? 300 : 1200)));
      if (child.exitCode !== null) throw new Error(`it ended by itself before kill ${kill + 1}`);
      await end(child, 'SIGKILL');
      if ((kill + 1) % 10 === 0) process.stderr.write(`${kill + 1} kills: ${JSON.stringify({ ...sums, wrong: wrong.length })}\n`);
    }
    const rate = await stopLoad();
    const last = run(true);
    await once(last, 'exit');
    const same = readFileSync(image).equals(readFileSync(disk.image));
    return { kinds, wrong, rate, same, ...sums };
  };

  it('needs no resynchronization and makes no wrong point, however often it is killed under 20,000 writes a second', async () => {
    const { kinds, points, wrong, skipped, leftBehind, rate, same } = await campaign(KILLS, true);
    console.log(JSON.stringify({ kills: KILLS, points, skipped, leftBehind, rate: Math.round(rate) }));
    expect(kinds).toEqual(['new', ...Array.from({ length: KILLS }, () => 'continuous')]);
    expect(wrong).toEqual([]);
    expect(same).toBe(true);
    expect(points).toBeGreaterThan(KILLS / 4);
  }, 3_600_000);

  it('makes wrong points without the check for conflicts, under the same load', async () => {
    const { wrong } = await campaign(0, false);
    expect(wrong.length).toBeGreaterThan(0);
  }, 600_000);
});
