import { readFileSync } from 'node:fs';

/** Ticks a second in /proc: part of the kernel's ABI. */
const USER_HZ = 100;

/** The fields of /proc/PID/stat from the third on; the second, the name, may hold anything. */
const statOf = (pid: number | 'self'): number[] => {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
};

/** CPU seconds (user and system) that a running process has used so far. Linux only. */
export const cpuSecondsOf = (pid: number): number => {
  const fields = statOf(pid);
  return (fields[11]! + fields[12]!) / USER_HZ;
};

/** CPU seconds that this process has used so far, and its children that have ended, and theirs. Elsewhere than on Linux: only its own. */
export const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  const own = (user + system) / 1e6;
  if (process.platform !== 'linux') return own;
  const fields = statOf('self');
  return own + (fields[13]! + fields[14]!) / USER_HZ;
};
