import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { attachLoop, detachLoop, listLoops } from './host/loop-devices.ts';
import { isWithin, listMounts, mount, unmount } from './host/mounts.ts';
import { runTool } from './host/run-tool.ts';
import { until } from './host/until.ts';
import type { LabReport } from './output/report.ts';

/* The whole demonstration as people start it, in a process of its own, with a temporary directory of its own. */

/** Ten times what the longest takes on a machine that does nothing else. */
jest.setTimeout(600_000);

let directory: string;
let runs: Run[];
beforeEach(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'lab-live-'));
  runs = [];
});
afterEach(async () => {
  for (const { child, ended } of runs) {
    child.kill('SIGINT');
    await ended;
  }
  rmSync(directory, { recursive: true });
}, 600_000);

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  text(): string;
  says(words: RegExp): Promise<void>;
}

const SCRIPT = path.join(__dirname, 'start.ts');
const NODE_ARGUMENTS = ['--conditions=@holdfast/source', '--disable-warning=ExperimentalWarning', SCRIPT];
const AS_NOBODY = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];

const start = (...args: string[]): Run => startProgram(process.execPath, ...NODE_ARGUMENTS, ...args);

const startProgram = (command: string, ...args: string[]): Run => {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TMPDIR: directory } });
  let text = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
  }
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const says = async (words: RegExp): Promise<void> => {
    await until(`${words}`, () => words.test(text) || child.exitCode !== null, { seconds: 300 });
    if (!words.test(text)) throw new Error(`it ended without saying ${words}:\n${text}`);
  };
  const run = { child, ended, text: () => text, says };
  runs.push(run);
  return run;
};

/** Why a user without any right cannot run the lab from here, if so. */
const hiddenFromNobody = (): string | undefined =>
  spawnSync('setpriv', [...AS_NOBODY, 'test', '-r', SCRIPT]).status === 0 ? undefined : 'needs a tree that every user can read';

/** The ids of the machines that joined. */
const idsIn = (text: string): string[] => [...text.matchAll(/this machine as ([0-9a-f]{32})/g)].map(([, id]) => id!);

const expectNothingLeft = async (...runs: Run[]): Promise<void> => {
  expect(readdirSync(directory)).toEqual([]);
  expect(listMounts().filter((one) => isWithin(one.directory, directory))).toEqual([]);
  // A container started meanwhile may hold one for as long as it lives: the kernel detaches it then.
  expect((await listLoops()).filter((one) => isWithin(one.file, directory) && !one.autoclear)).toEqual([]);
  for (const id of runs.flatMap((run) => idsIn(run.text()))) {
    const name = `holdfast-${id}`;
    const places = ['/sys/kernel/tracing/instances', '/sys/kernel/debug/tracing/instances', '/dev/shm'];
    expect(places.flatMap((place) => (existsSync(place) ? readdirSync(place).filter((entry) => entry.startsWith(name)) : []))).toEqual([]);
  }
};

describe.unless(lacks('root', 'mkfs.ext4', 'mkfs.xfs', 'qemu-img', 'fsfreeze'), 'npm start', () => {
  it('protects, is killed, goes on, recovers, verifies, measures, and takes everything away', async () => {
    const json = path.join(directory, 'result.json');
    const run = start('--minutes', '0.2', '--point-every', '2', '--json', json, '--seed', '3');
    const status = await run.ended;
    expect(run.text()).toContain('recovered points are exactly the machine');
    expect(status).toBe(0);
    const report = JSON.parse(readFileSync(json, 'utf8')) as LabReport;
    expect(report).toMatchObject({
      points: { verified: Math.min(4, report.points.made), bad: 0 },
      resyncs: 0,
      kills: { agent: 1, processServer: 1 },
    });
    expect(report.points.made).toBeGreaterThanOrEqual(2);
    expect(Object.keys(report)).toEqual(['points', 'resyncs', 'kills', 'rpoSeconds', 'initial', 'bytes', 'cpuSeconds']);
    const { rpoSeconds, initial, bytes, cpuSeconds } = report;
    for (const value of [
      rpoSeconds.p50,
      rpoSeconds.max,
      initial.megabytesPerSecond,
      bytes.changed,
      bytes.sent,
      bytes.stored,
      ...Object.values(cpuSeconds),
    ])
      expect(value).toBeGreaterThan(0);
    const programs = ['agent', 'processServer', 'configurationServer', 'store', 'workload', 'supervisor'];
    expect(Object.keys(cpuSeconds)).toEqual(programs);
    rmSync(json);
    await expectNothingLeft(run);
  });

  it('finds points bad that were cut without looking for conflicts', async () => {
    const run = start('--minutes', '0.1', '--point-every', '1', '--no-conflict-check', '--seed', '3');
    expect(await run.ended).toBe(1);
    expect(run.text()).toMatch(/BAD: point .*: (rows|row|overwrite|block|e2fsck|xfs_repair|mount) /);
    expect(run.text()).toContain('The demonstration failed');
    await expectNothingLeft(run);
  });

  it('takes everything away on Ctrl-C, also what an earlier run left that was killed', async () => {
    const first = start('--minutes', '5');
    await first.says(/first copy \[/);
    first.child.kill('SIGKILL');
    await first.ended;
    expect(readdirSync(directory)).toHaveLength(2);
    const second = start('--minutes', '5');
    await second.says(/removed what an earlier run left .*[\s\S]*first copy \[/);
    second.child.kill('SIGINT');
    expect(await second.ended).toBe(130);
    expect(second.text()).toContain('[INTERRUPTED]');
    await expectNothingLeft(first, second);
  });

  it("protects a disk of the user's, which it only reads, and compares every block; refuses a vault on it", async () => {
    const file = path.join(directory, 'disk.img');
    writeFileSync(file, '');
    truncateSync(file, 64 << 20);
    const device = await attachLoop(file);
    const mountPoint = path.join(directory, 'mounted');
    mkdirSync(mountPoint);
    await runTool('mkfs.ext4', ['-q', '-F', device]);
    await mount(device, mountPoint);
    try {
      writeFileSync(path.join(mountPoint, 'before'), Buffer.alloc(5_000_000, 'before'));
      const refused = start('--disk', device, '--vault', `file:${path.join(mountPoint, 'vault')}`);
      expect(await refused.ended).toBe(2);
      expect(refused.text()).toMatch(/\[VAULT_ON_PROTECTED_DISK\] \/dev\/loop\d+: the vault/);
      const run = start('--disk', device, '--minutes', '0.1', '--point-every', '1');
      await run.says(/first copy and first point/);
      writeFileSync(path.join(mountPoint, 'meanwhile'), Buffer.alloc(5_000_000, 'meanwhile'));
      expect(await run.ended).toBe(0);
      expect(run.text()).toContain('16384 blocks equal');
      expect(run.text()).toContain('The recovered point is exactly the machine');
      expect(readdirSync(mountPoint).sort()).toEqual(['before', 'lost+found', 'meanwhile']);
      // Thawed: a write comes through.
      writeFileSync(path.join(mountPoint, 'after'), 'after');
    } finally {
      await unmount(mountPoint);
      await detachLoop(device);
      rmSync(mountPoint, { recursive: true });
      rmSync(file);
    }
    await expectNothingLeft();
  });

  it.unless(lacks('setpriv') ?? hiddenFromNobody(), 'shows without root what can be shown, and says what it leaves out', async () => {
    chownSync(directory, 65534, 65534);
    const run = startProgram('setpriv', ...AS_NOBODY, process.execPath, ...NODE_ARGUMENTS, '--minutes', '0.1', '--point-every', '1');
    const status = await run.ended;
    expect(run.text()).toContain('All 4 recovered points are exactly the machine');
    expect(run.text()).toMatch(/Not root: .* Left out: real disks/);
    expect(run.text()).toContain('49152 blocks equal');
    expect(status).toBe(0);
    await expectNothingLeft();
    const refused = startProgram('setpriv', ...AS_NOBODY, process.execPath, ...NODE_ARGUMENTS, '--disk', '/dev/null');
    expect(await refused.ended).toBe(3);
  });
});
