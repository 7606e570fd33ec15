import { randomBytes } from 'node:crypto';
import { constants, lstatSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { identify, isAlive, type ProcessIdentity } from '../host/processes.ts';

/*
 * What a run of the lab makes and must take away again. Everything it can put there lies in one directory of its own (images, mounts,
 * sockets, vault), so that the kernel itself can be asked what hangs on it: mounts below the directory, loop devices of files below it.
 * The rest is written down here before it is made. The record is a file beside the directory, `holdfast-lab-<id>.json`, so that the next
 * run finds it after a kill -9 of this one.
 */

export interface RunRecord {
  readonly version: 1;
  /** The run itself: as long as it lives nobody else touches what is recorded. */
  readonly owner: ProcessIdentity;
  readonly directory: string;
  /** A lab that stays until it is told to go: `npm run lab -- up`. */
  readonly standing?: boolean;
  readonly processes: readonly ProcessIdentity[];
  /** Names of tracefs instances. */
  readonly traceInstances: readonly string[];
  /** What lies in memory (a tmpfs): never kept. */
  readonly memory: readonly string[];
  /** Files and directories outside the run's directory. */
  readonly paths: readonly string[];
  /** Directories of the user's that were empty and are to be so again. */
  readonly emptied: readonly string[];
  /** Mount points which are to be thawed. */
  readonly frozen: readonly string[];
  /** Names of network namespaces. */
  readonly namespaces: readonly string[];
  /** Directories of recovered machines, which run until somebody ends them: never kept. */
  readonly recoveries: readonly string[];
}

type Notes = Pick<RunRecord, 'processes' | 'traceInstances' | 'memory' | 'paths' | 'emptied' | 'frozen' | 'namespaces' | 'recoveries'>;

export interface Recorder {
  /** Eight hexadecimal digits, in every name this run gives. */
  readonly id: string;
  readonly file: string;
  readonly record: RunRecord;
  /** Adds to the record; what is to be made is noted first. */
  note(notes: Partial<Notes>): void;
  /** Adds a process that was just started. */
  noteProcess(pid: number): void;
  /** Takes from the record a mount point that is thawed. */
  thawed(mountPoint: string): void;
}

const NOTHING: Notes = {
  processes: [],
  traceInstances: [],
  memory: [],
  paths: [],
  emptied: [],
  frozen: [],
  namespaces: [],
  recoveries: [],
};

const PREFIX = 'holdfast-lab-';

const write = (file: string, record: RunRecord): void => {
  // Exclusively: nobody else's link is followed.
  rmSync(`${file}.new`, { force: true });
  writeFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600, flag: 'wx' });
  renameSync(`${file}.new`, file);
};

/** As the kernel knows it: mounts and loop devices are listed by paths without links. */
const temporaryDirectory = (): string => realpathSync(os.tmpdir());

/** A new run's id. */
export const newRunId = (): string => randomBytes(4).toString('hex');

/** Where the run with this id puts its files. */
export const runDirectory = (id: string, parent: string = temporaryDirectory()): string => path.join(parent, PREFIX + id);

/** Starts the record of this process and makes the run's directory, both in `parent`. */
export const createRecorder = (id: string, parent: string = temporaryDirectory(), standing = false): Recorder => {
  const directory = runDirectory(id, parent);
  const file = `${directory}.json`;
  const owner = identify(process.pid) ?? { pid: process.pid, started: 0 };
  let record: RunRecord = { version: 1, owner, directory, standing, ...NOTHING };
  write(file, record);
  mkdirSync(directory, { mode: 0o700 });
  const change = (next: Partial<Notes>): void => {
    record = { ...record, ...next };
    write(file, record);
  };
  return {
    id,
    file,
    get record() {
      return record;
    },
    note: (notes) =>
      change(
        Object.fromEntries(
          Object.entries(notes).map(([key, values]) => [key, [...record[key as keyof Notes], ...values]]),
        ) as Partial<Notes>,
      ),
    noteProcess: (pid) => {
      const identity = identify(pid);
      if (identity !== undefined) change({ processes: [...record.processes, identity] });
    },
    thawed: (mountPoint) => change({ frozen: record.frozen.filter((one) => one !== mountPoint) }),
  };
};

/** A record says what to delete, and it lies where everybody may put files: only one that nobody else can have written counts. */
const isOurs = (file: string): boolean => {
  const { uid, mode, nlink } = lstatSync(file);
  if (process.getuid === undefined) return true;
  return (mode & constants.S_IFMT) === constants.S_IFREG && uid === process.getuid() && (mode & 0o022) === 0 && nlink === 1;
};

const readRecord = (file: string): RunRecord | undefined => {
  try {
    if (!isOurs(file)) return undefined;
    const record = { ...NOTHING, ...(JSON.parse(readFileSync(file, 'utf8')) as RunRecord) };
    return record.version === 1 && record.directory === file.slice(0, -'.json'.length) ? record : undefined;
  } catch {
    return undefined;
  }
};

export interface FoundRecord {
  readonly file: string;
  readonly record: RunRecord;
}

/** All records in `parent`. */
export const findRecords = (parent: string = temporaryDirectory()): FoundRecord[] =>
  readdirSync(parent)
    .filter((name) => name.startsWith(PREFIX) && name.endsWith('.json'))
    .map((name) => path.join(parent, name))
    .flatMap((file) => {
      const record = readRecord(file);
      return record === undefined ? [] : [{ file, record }];
    });

/** Records in `parent` whose run is dead: it was killed before it could take away what it made. */
export const findLeftovers = (parent: string = temporaryDirectory()): FoundRecord[] =>
  findRecords(parent).filter(({ record }) => !isAlive(record.owner));
