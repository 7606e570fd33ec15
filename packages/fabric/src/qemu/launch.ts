import { spawn } from 'node:child_process';
import { constants, open, readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { withQmp } from './connect-qmp.ts';
import { type MachineDirectory, writeWhole } from './machine-directory.ts';
import { type QemuProcess, startOf } from './process-of.ts';

/** Ten times what it takes on a busy machine: opening disks, and firmware to be read. */
const START_PATIENCE_MILLISECONDS = 60_000;
const POLL_MILLISECONDS = 20;
const COMPLAINT_CHARACTERS = 2000;
/** Anew, and behind its end whatever is cut off it meanwhile. */
const LOG_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_APPEND;

/** Starts QEMU so that it outlives this process, and waits until it answers. Errors: TOOL_MISSING, FABRIC_FAILED in its own words. */
export const launch = async (program: string, args: readonly string[], directory: MachineDirectory): Promise<void> => {
  // Of an earlier start; QEMU makes its own.
  for (const socket of [directory.qmpSocket, directory.consoleSocket, directory.screenSocket]) await rm(socket, { force: true });
  const log = await open(directory.log, LOG_FLAGS, 0o600).catch((reason: unknown) => {
    throw fromSystem(reason, directory.log);
  });
  const child = spawn(program, [...args], { cwd: directory.path, detached: true, stdio: ['ignore', log.fd, log.fd] });
  const ended = new Promise<string>((resolve, reject) => {
    child.on('exit', (status, signal) => resolve(signal ?? `status ${status}`));
    child.on('error', (cause: NodeJS.ErrnoException) =>
      reject(cause.code === 'ENOENT' ? missing(program, cause) : fromSystem(cause, program)),
    );
  });
  ended.catch(() => {});
  try {
    await Promise.race([new Promise((resolve) => child.on('spawn', resolve)), ended]);
    child.unref();
    const start = await startOf(child.pid!);
    if (start !== undefined) await writeWhole(directory.process, JSON.stringify({ pid: child.pid!, start } satisfies QemuProcess));
    await Promise.race([untilItAnswers(directory), ended.then((how) => refuse(directory, `it ended at once with ${how}`))]);
  } catch (reason) {
    if (child.pid !== undefined && child.exitCode === null) child.kill('SIGKILL');
    throw reason;
  } finally {
    await log.close();
  }
};

const missing = (program: string, cause: unknown): HoldfastError =>
  new HoldfastError('TOOL_MISSING', {
    thing: program,
    why: 'it is not installed here',
    remedy: 'install it: on Debian `apt install qemu-system-x86 qemu-utils`',
    cause,
  });

const untilItAnswers = async (directory: MachineDirectory): Promise<void> => {
  for (const end = performance.now() + START_PATIENCE_MILLISECONDS; ; await sleep(POLL_MILLISECONDS)) {
    try {
      await withQmp(directory.qmpSocket, (qmp) => qmp.execute('query-status'));
      return;
    } catch {
      if (performance.now() > end) return refuse(directory, `it did not answer within ${START_PATIENCE_MILLISECONDS / 1000} s`);
    }
  }
};

const refuse = async (directory: MachineDirectory, why: string): Promise<never> => {
  const said = (await readFile(directory.log, 'utf8').catch(() => '')).slice(-COMPLAINT_CHARACTERS).trim();
  throw new HoldfastError('FABRIC_FAILED', {
    thing: 'QEMU',
    why: said === '' ? why : `${why}: ${said.replaceAll(/\s*\n\s*/g, '; ')}`,
    remedy: `see ${directory.log}`,
  });
};

/** Ends a process between two instructions of its machine; resolves when it is gone. */
export const killProcess = async ({ pid, start }: QemuProcess): Promise<void> => {
  if ((await startOf(pid)) !== start) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== 'ESRCH') throw fromSystem(reason, `process ${pid}`);
  }
  await untilGone({ pid, start });
};

/** Resolves to true when the process is gone, to false when it still is there after so many milliseconds. */
export const untilGone = async ({ pid, start }: QemuProcess, milliseconds = Number.POSITIVE_INFINITY): Promise<boolean> => {
  for (const end = performance.now() + milliseconds; (await startOf(pid)) === start; await sleep(POLL_MILLISECONDS))
    if (performance.now() > end) return false;
  return true;
};
