import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createQemuFabric } from '@holdfast/fabric';
import { FROM_SOURCE } from '../../site/from-source.ts';
import { identify, isAlive } from '../host/processes.ts';
import { runTool } from '../host/run-tool.ts';
import { until } from '../host/until.ts';
import type { RunRecord } from '../record/run-record.ts';
import type { LabStatus } from './status.ts';

/* `npm run lab` as people use it, with a temporary directory of its own. */

const MAIN = path.join(__dirname, 'main.ts');
const CLI = path.join(__dirname, '../../../packages/cli/src/main.ts');

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'lab-long-'));
});
afterEach(async () => {
  await run(MAIN, ['down']);
  rmSync(directory, { recursive: true });
});

const run = (
  main: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<{ status: number | null; text: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...FROM_SOURCE, main, ...args], { env: { ...process.env, TMPDIR: directory, ...environment } });
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, text }));
  });

const lab = (...args: string[]) => run(MAIN, args);
const status = async (): Promise<LabStatus> => JSON.parse((await lab('status', '--output', 'json')).text) as LabStatus;
const recordOf = (): RunRecord => {
  const [file] = readdirSync(directory).filter((name) => name.endsWith('.json'));
  return JSON.parse(readFileSync(path.join(directory, file!), 'utf8')) as RunRecord;
};

describe.unless(lacks('root', 'mkfs.ext4', 'mkfs.xfs', 'qemu-system-x86_64'), 'npm run lab', () => {
  it('is up until it is told to go, starts killed programs again, and gives a machine back that tells its time', async () => {
    const up = await lab('up', '--point-every', '1');
    expect(up).toMatchObject({ status: 0, text: expect.stringContaining('The lab is up') });
    expect(await lab('up')).toMatchObject({ status: 8, text: expect.stringContaining('[ALREADY_RUNNING]') });
    const before = await status();
    expect(before).toMatchObject({ state: 'up', machine: { state: 'protected' } });
    for (const { pid } of before.programs) process.kill(pid, 'SIGKILL');
    const isWellAgain = async (): Promise<boolean> => {
      const { state, programs, machine } = await status();
      return state === 'up' && programs.every(({ restarts }) => restarts === 1) && machine!.points > before.machine!.points + 3;
    };
    await until('killed programs work again', isWellAgain, { seconds: 120, everyMilliseconds: 500 });

    const environment = Object.fromEntries(
      [...readFileSync(path.join(before.directory!, 'environment'), 'utf8').matchAll(/^export (\w+)='(.*)'$/gm)].map(([, name, value]) => [
        name!,
        value!,
      ]),
    );
    const images = path.join(directory, 'recovered');
    const vault = ['--vault', environment['VAULT']!, '--key-file', environment['KEY']!];
    const recovered = await run(CLI, ['recover', ...vault, '--export', images], environment);
    expect(recovered.status).toBe(0);
    const [image] = readdirSync(images).map((name) => path.join(images, name));
    const mounted = path.join(directory, 'recovered-disk');
    mkdirSync(mounted);
    await runTool('mount', ['-o', 'loop', image!, mounted]);
    const clock = readFileSync(path.join(mounted, 'clock.txt'), 'utf8').trim();
    await runTool('umount', [mounted]);
    // One that is written every second, in a point of that instant.
    const [, point] = / at (\S+Z) \(point/.exec(recovered.text) ?? [];
    const age = Date.parse(point!) - Date.parse(clock);
    expect(age).toBeGreaterThanOrEqual(0);
    expect(age).toBeLessThan(30_000);

    // A machine of the lab starts, and goes with it.
    const [{ name: machine }] = JSON.parse((await run(CLI, ['machine', 'list', '--output', 'json'], environment)).text) as [
      { name: string },
    ];
    expect(await run(CLI, ['failover', 'test', machine, '--wait'], environment)).toMatchObject({ status: 0 });
    const [place] = recordOf().recoveries;
    const fabric = createQemuFabric({ directory: path.join(place!, 'vm') });
    const [started] = await fabric.list();
    expect(started).toMatchObject({ state: 'running' });
    const machineProcess = identify(started!.pid!)!;

    expect(await lab('down')).toMatchObject({ status: 0, text: expect.stringContaining('is down') });
    expect([isAlive(machineProcess), existsSync(place!)]).toEqual([false, false]);
    expect(readdirSync(directory).sort()).toEqual(['recovered', 'recovered-disk']);
    expect(await lab('status')).toMatchObject({ status: 1, text: expect.stringContaining('There is no lab') });
  });

  it('is taken away also when its supervisor was killed', async () => {
    expect((await lab('up')).status).toBe(0);
    process.kill(recordOf().owner.pid, 'SIGKILL');
    await until('its end is seen', async () => (await status()).state === 'dead', { seconds: 50, everyMilliseconds: 200 });
    expect((await lab('down')).status).toBe(0);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('that is interrupted while it comes up leaves nothing', async () => {
    const child = spawn(process.execPath, [...FROM_SOURCE, MAIN, 'up'], { env: { ...process.env, TMPDIR: directory } });
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    await until('it copies', () => text.includes('first copy ['), { seconds: 120 });
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(readdirSync(directory)).toEqual([]);
  });
});
