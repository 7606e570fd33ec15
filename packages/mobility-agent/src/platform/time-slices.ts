import { readdirSync } from 'node:fs';
import { libc } from './libc.ts';
import { allocatePages } from './memory.ts';

/** Numbers of sched_setattr and sched_getattr. */
const CALLS: Readonly<Record<string, { readonly set: number; readonly get: number } | undefined>> = {
  x64: { set: 314, get: 315 },
  arm64: { set: 274, get: 275 },
};

/** Bytes of `struct sched_attr` in its first version: size, policy, flags, nice, priority, runtime, deadline, period. */
const ATTRIBUTES = 48;
const POLICY_AT = 4;
const RUNTIME_AT = 24;
/** SCHED_OTHER and SCHED_BATCH; of others the run time means something else. */
const FAIR = [0, 3];
/** Nanoseconds; the shortest slice the kernel gives. */
const SHORT = 100_000n;

/**
 * Asks for the shortest slices of processor time there are, for all threads of this process and those they start: then whoever wakes up meanwhile waits a
 * tenth of a millisecond and not three. How much time they get in all stays the same. Linux 6.12 or later; nothing happens on others, nor to threads that
 * somebody gave another scheduling policy, nor where /proc is not there. Tells how many threads have it.
 */
export const takeShortSlices = (tasks = '/proc/self/task'): number => {
  const calls = CALLS[process.arch];
  if (process.platform !== 'linux' || calls === undefined) return 0;
  const { bytes, address } = allocatePages(ATTRIBUTES);
  const view = new DataView(bytes.buffer);
  const get = (thread: bigint): boolean => libc().syscallAt(calls.get, thread, address, BigInt(ATTRIBUTES), 0n, 0n) === 0;
  let taken = 0;
  for (const thread of threadsIn(tasks)) {
    if (!get(thread) || !FAIR.includes(view.getUint32(POLICY_AT, true))) continue;
    view.setBigUint64(RUNTIME_AT, SHORT, true);
    if (libc().syscallAt(calls.set, thread, address, 0n, 0n, 0n) !== 0) continue;
    if (get(thread) && view.getBigUint64(RUNTIME_AT, true) === SHORT) taken += 1;
  }
  return taken;
};

const threadsIn = (tasks: string): bigint[] => {
  try {
    return readdirSync(tasks).map(BigInt);
  } catch {
    return [];
  }
};
