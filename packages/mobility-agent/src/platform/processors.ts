import { readFileSync } from 'node:fs';
import { libc, systemError } from './libc.ts';

/** Room for 8192 processors. */
const MASK_BYTES = 1024;
const SELF = 0;

const read = (path: string): string => {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return '';
  }
};

/** A list of the kernel's, for example `0-3,8`. */
export const parseProcessorList = (text: string): number[] =>
  text
    .split(',')
    .filter((range) => /^\d+(-\d+)?$/.test(range))
    .flatMap((range) => {
      const [first, last = first] = range.split('-').map(Number) as [number, number?];
      return Array.from({ length: last - first + 1 }, (_, step) => first + step);
    });

/** Numbers of the processors that are there and switched on. */
export const onlineProcessors = (): number[] => parseProcessorList(read('/sys/devices/system/cpu/online'));

const has = (mask: Uint8Array, processor: number): boolean => ((mask[processor >> 3]! >> (processor & 7)) & 1) === 1;

const allowedProcessors = (): Uint8Array => {
  const mask = new Uint8Array(MASK_BYTES);
  if (libc().sched_getaffinity(SELF, MASK_BYTES, mask) < 0) throw systemError('sched_getaffinity');
  return mask;
};

/** True if this machine's processors are for everyone, so that a thread that wants to run on one of them soon does. */
export const processorsAreShared = (): boolean =>
  read('/sys/devices/system/cpu/isolated') === '' &&
  ['', '(null)'].includes(read('/sys/devices/system/cpu/nohz_full')) &&
  read('/proc/sys/kernel/sched_rt_runtime_us') !== '-1';

/** Runs the calling thread on every online processor in turn, then where it may run as before. False, having visited not all, if it may not. */
export const visitAllProcessors = (): boolean => {
  const allowed = allowedProcessors();
  const online = onlineProcessors();
  if (online.length === 0 || !online.every((processor) => has(allowed, processor))) return false;
  const one = new Uint8Array(MASK_BYTES);
  try {
    for (const processor of online) {
      one.fill(0);
      one[processor >> 3] = 1 << (processor & 7);
      if (libc().sched_setaffinity(SELF, MASK_BYTES, one) !== 0) return false;
    }
  } finally {
    libc().sched_setaffinity(SELF, MASK_BYTES, allowed);
  }
  return true;
};
