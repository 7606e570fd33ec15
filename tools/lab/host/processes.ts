import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process and not merely its number: numbers are used again, the pair never is within one boot. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from boot to its start, from /proc/PID/stat. */
  readonly started: number;
}

/** Ticks per second of the times in /proc; the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** The fields of /proc/PID/stat from the third on (the second, the name, may hold anything), or undefined when there is no such process. */
const statOf = (pid: number): string[] | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
};

/** Undefined when there is no such process. Where there is no /proc the number alone has to do. */
export const identify = (pid: number): ProcessIdentity | undefined => {
  if (process.platform !== 'linux') return { pid, started: 0 };
  const fields = statOf(pid);
  return fields === undefined ? undefined : { pid, started: Number(fields[19]) };
};

const answersToItsNumber = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** True while that very process lives; a zombie, which only waits to be read by its parent, does not. */
export const isAlive = ({ pid, started }: ProcessIdentity): boolean => {
  if (process.platform !== 'linux') return answersToItsNumber(pid);
  const fields = statOf(pid);
  return fields !== undefined && Number(fields[19]) === started && fields[0] !== 'Z' && fields[0] !== 'X';
};

/** CPU seconds a process has used so far, user and system, all threads; undefined when it is gone. */
export const cpuSecondsOf = (pid: number): number | undefined => {
  const fields = statOf(pid);
  return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
};

/**
 * SIGKILL, and waits until it is gone; nothing happens to another process that has its number by now. Where that cannot be told apart
 * nobody is killed: our processes end by themselves when the one that started them is gone.
 */
export const endProcess = async (identity: ProcessIdentity, patienceMs = 10_000): Promise<void> => {
  if (process.platform !== 'linux') return;
  const deadline = performance.now() + patienceMs;
  while (isAlive(identity) && performance.now() < deadline) {
    try {
      process.kill(identity.pid, 'SIGKILL');
    } catch {
      return;
    }
    await sleep(10);
  }
};
