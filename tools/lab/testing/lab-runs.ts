import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { listLoops } from '../host/loop-devices.ts';
import { isWithin, listMounts } from '../host/mounts.ts';
import { until } from '../host/until.ts';

/** The demonstration as people start it, in processes of their own. */
export interface LabRuns {
  /** The temporary directory of the test at work: everything a run makes is in it. */
  readonly directory: string;
  start(...args: string[]): LabRun;
  startProgram(command: string, ...args: string[]): LabRun;
  /** Fails where the runs have left something. */
  expectNothingLeft(...runs: LabRun[]): Promise<void>;
}

export interface LabRun {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  text(): string;
  /** Resolves when it has said so; rejects when it ends before. */
  says(words: RegExp): Promise<void>;
}

export const LAB_SCRIPT = path.join(__dirname, '../start.ts');
export const NODE_ARGUMENTS = ['--conditions=@holdfast/source', '--disable-warning=ExperimentalWarning', LAB_SCRIPT];

/** The ids of the machines that joined. */
const idsIn = (text: string): string[] => [...text.matchAll(/this machine as ([0-9a-f]{32})/g)].map(([, id]) => id!);

/** Has each test of the file begin with an empty directory, and ends what it started. To be called once, at the top. */
export const useLabRuns = (): LabRuns => {
  /** Ten times what the longest takes on a machine that does nothing else. */
  jest.setTimeout(600_000);
  let directory = '';
  let runs: LabRun[] = [];
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

  const startProgram = (command: string, ...args: string[]): LabRun => {
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

  return {
    get directory() {
      return directory;
    },
    start: (...args) => startProgram(process.execPath, ...NODE_ARGUMENTS, ...args),
    startProgram,
    async expectNothingLeft(...ended) {
      expect(readdirSync(directory)).toEqual([]);
      expect(listMounts().filter((one) => isWithin(one.directory, directory))).toEqual([]);
      // A container started meanwhile may hold one for as long as it lives: the kernel detaches it then.
      expect((await listLoops()).filter((one) => isWithin(one.file, directory) && !one.autoclear)).toEqual([]);
      for (const id of ended.flatMap((run) => idsIn(run.text()))) {
        const name = `holdfast-${id}`;
        const places = ['/sys/kernel/tracing/instances', '/sys/kernel/debug/tracing/instances', '/dev/shm'];
        expect(places.flatMap((place) => (existsSync(place) ? readdirSync(place).filter((entry) => entry.startsWith(name)) : []))).toEqual(
          [],
        );
      }
    },
  };
};
