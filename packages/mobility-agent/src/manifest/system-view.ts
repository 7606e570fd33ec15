import { execFile } from 'node:child_process';
import fs from 'node:fs';

/** The running machine as the collectors look at it; a test puts recorded answers here. Nothing here fails: what is not there is undefined. */
export interface SystemView {
  /** The beginning of a text file, 1 MiB at most. */
  read(path: string): string | undefined;
  /** Names in a directory, sorted; none where there is no directory. */
  list(path: string): string[];
  /** What a tool prints; undefined when it is missing, fails, prints more than 8 MiB or takes longer than 15 s. */
  run(tool: string, ...args: readonly string[]): Promise<string | undefined>;
}

const READ_LIMIT = 1024 * 1024;
const OUTPUT_LIMIT = 8 * 1024 * 1024;
const PATIENCE = 15_000;

const read = (path: string): string | undefined => {
  let fd: number | undefined;
  try {
    fd = fs.openSync(path, 'r');
    const bytes = Buffer.alloc(READ_LIMIT);
    return bytes.toString('utf8', 0, fs.readSync(fd, bytes, 0, READ_LIMIT, null));
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
};

const list = (path: string): string[] => {
  try {
    return fs.readdirSync(path).sort();
  } catch {
    return [];
  }
};

const run = (tool: string, ...args: readonly string[]): Promise<string | undefined> =>
  new Promise((resolve) => {
    // sbin is not on the path of every user; words of tools must not be translated.
    const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`, LC_ALL: 'C' };
    execFile(tool, [...args], { env, timeout: PATIENCE, maxBuffer: OUTPUT_LIMIT, killSignal: 'SIGKILL' }, (error, output) =>
      resolve(error === null ? output : undefined),
    );
  });

/** This machine. */
export const localSystem: SystemView = { read, list, run };
