import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { mount, unmount } from '../../lab/host/mounts.ts';
import { runTool } from '../../lab/host/run-tool.ts';
import { createLoadDisk } from './load-disk.ts';
import { type ProtectedMachine, startProtectedMachine } from './protected-machine.ts';

/*
 * Settings, state, log of changes and printed log of the agent lie on the only disk of the machine, which it protects. What it writes there must
 * not be taken for changes of the machine: then an idle machine would never be idle, and each byte that waits for the process server would be two.
 */

const MIB = 1024 * 1024;
const DISK_SIZE = 700 * MIB;
const WORKLOAD_SIZE = 64 * MIB;
/** Points in a row, a second apart, that show what an idle machine costs: longer than any timer of the file systems and of the agent. */
const IDLE_POINTS = 70;
/** Points within which what went before, time stamps too, has to be on the disk. */
const SETTLING_POINTS = 200;

const MAKE = {
  // All at once: no thread of the kernel's initializes the rest while it is measured.
  ext4: ['mkfs.ext4', '-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0'],
  xfs: ['mkfs.xfs', '-q'],
} as const;

interface Figures {
  /** Bytes of the disk that changed in the idle stretch. */
  readonly idle: number;
  /** Bytes sent for each byte the workload wrote: with the server there; and while it is away, so that the log spills to the disk. */
  readonly connected: number;
  readonly away: number;
}

describe.unless(lacks('root', 'losetup', 'fio', 'mkfs.ext4', 'mkfs.xfs'), 'the agent on the disk it protects', () => {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  const temporary = (name: string): string => {
    const directory = mkdtempSync(path.join(tmpdir(), `holdfast-${name}-`));
    undo.push(() => rmSync(directory, { recursive: true, force: true }));
    return directory;
  };

  /** Points until `count` in a row were empty, or as many as it may take; tells the bytes that changed in the last `count`. */
  const settle = async (machine: ProtectedMachine, count: number): Promise<number> => {
    let before = (await machine.figures()).changedBytes;
    for (let waited = 0, quiet = 0; waited < SETTLING_POINTS && quiet < count; waited += 1) {
      const { changedBytes } = await machine.points(1);
      quiet = changedBytes === before ? quiet + 1 : 0;
      before = changedBytes;
    }
    const { changedBytes } = await machine.points(count);
    return changedBytes - before;
  };

  const measure = async (type: keyof typeof MAKE, main?: string, memory = '16MiB'): Promise<Figures> => {
    const disk = await createLoadDisk(DISK_SIZE);
    undo.push(() => disk.remove());
    const [make, ...options] = MAKE[type];
    await runTool(make, [...options, disk.device]);
    const mountPoint = temporary('own');
    await mount(disk.device, mountPoint);
    undo.push(() => unmount(mountPoint));
    const file = path.join(mountPoint, 'workload');
    const load = (rate: number): Promise<unknown> =>
      runTool('fio', [
        ...['--name=load', `--filename=${file}`, `--size=${WORKLOAD_SIZE}`, '--rw=write', '--bs=64k', '--direct=1', '--refill_buffers'],
        ...['--overwrite=1', `--rate=${rate}`],
      ]);
    await load(WORKLOAD_SIZE);
    const machine = await startProtectedMachine({
      directory: temporary('machine'),
      disks: [disk.device],
      agentDirectory: path.join(mountPoint, 'agent'),
      ...(main === undefined ? {} : { main }),
      pointIntervalSeconds: 1,
      settings: { hrl: { memory, segment: '8MiB', quota: '192MiB' }, trace: { buffer: '8MiB' } },
    });
    undo.push(() => machine.close());
    await machine.points(2);
    const idle = await settle(machine, IDLE_POINTS);

    // The workload cannot be compressed: what is sent of it is as long as it is.
    const sentFor = async (work: () => Promise<unknown>): Promise<number> => {
      const { sentBytes } = await machine.figures();
      await work();
      await machine.points(2);
      await machine.drained();
      await machine.points(2);
      return ((await machine.figures()).sentBytes - sentBytes) / WORKLOAD_SIZE;
    };
    const connected = await sentFor(() => load(8 * MIB));
    const away = await sentFor(async () => {
      await machine.server.kill('SIGKILL');
      await load(8 * MIB);
      await machine.points(2);
      // More than memory holds: the rest lies on the disk.
      expect((await machine.figures()).pendingBytes).toBeGreaterThan(WORKLOAD_SIZE);
      // And not only in the page cache, as it would be after half a minute.
      await runTool('sync', ['--file-system', mountPoint]);
      await machine.points(2);
      await machine.server.start();
    });
    return { idle, connected, away };
  };

  it.each(['ext4', 'xfs'] as const)(
    'on %s lets an idle machine be idle and adds nothing to what is sent',
    async (type) => {
      const figures = await measure(type);
      console.log(`${type}: ${JSON.stringify(figures)}`);
      expect(figures.idle).toBe(0);
      expect(figures.connected).toBeLessThanOrEqual(1.1);
      expect(figures.away).toBeLessThanOrEqual(1.1);
    },
    1_200_000,
  );

  it('follows itself when it takes its own files for those of the machine', async () => {
    const figures = await measure('ext4', fileURLToPath(new URL('./feedback-main.ts', import.meta.url)), '0B');
    console.log(`control: ${JSON.stringify(figures)}`);
    expect(figures.idle).toBeGreaterThan(IDLE_POINTS * 4096);
    expect(figures.away).toBeGreaterThan(1.5);
  }, 1_200_000);
});
