import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { type MachineDirectory, readJson } from './machine-directory.ts';

/** A process that is surely the machine's: a number is used again, number and start time together are not. */
export interface QemuProcess {
  readonly pid: number;
  /** Ticks since the boot of the host. */
  readonly start: string;
}

/** What QEMU is called, so that `ps` shows whose it is, and it is found without notes. */
export const tagOf = (operationId: string): string => `holdfast-${operationId}`;

/** Fields of /proc/PID/stat, counted from the one behind the name. */
const STATE = 0;
const THREADS = 17;
const START = 19;

/** When a process began, in ticks since the boot; undefined when there is none, or only a dead one that nobody has waited for. */
export const startOf = async (pid: number): Promise<string | undefined> => {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  if (fields === undefined || fields[STATE] === 'X') return undefined;
  // The first thread may be dead while others still hold the files, and the locks on them.
  return fields[STATE] === 'Z' && Number(fields[THREADS]) <= 1 ? undefined : fields[START];
};

const isMachine = async (pid: number, tag: string, directory: string): Promise<boolean> => {
  const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
  if (!words.some((word, at) => words[at - 1] === '-name' && word === `guest=${tag}`)) return false;
  // Two directories may hold machines of one operation, as copies in tests do.
  const real = await realpath(directory).catch(() => directory);
  return (await readlink(`/proc/${pid}/cwd`).catch(() => real)) === real;
};

/** The process of a machine that is on: the one that was noted, else whichever has the tag, should nobody have lived to note it. */
export const processOf = async (directory: MachineDirectory, operationId: string): Promise<QemuProcess | undefined> => {
  const tag = tagOf(operationId);
  const noted = await readJson<QemuProcess>(directory.process).catch(() => undefined);
  if (noted !== undefined && (await startOf(noted.pid)) === noted.start && (await isMachine(noted.pid, tag, directory.path))) return noted;
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || !(await isMachine(pid, tag, directory.path))) continue;
    const start = await startOf(pid);
    if (start !== undefined) return { pid, start };
  }
  return undefined;
};
