import { readFileSync } from 'node:fs';
import { entries } from './entries.ts';
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

/** Processors as the kernel's calls take them: a bit for each. */
type Mask = Uint8Array;

const has = (mask: Mask, processor: number): boolean => ((mask[processor >> 3]! >> (processor & 7)) & 1) === 1;

const maskOf = (processors: readonly number[]): Mask => {
  const mask = new Uint8Array(MASK_BYTES);
  for (const processor of processors) mask[processor >> 3]! |= 1 << (processor & 7);
  return mask;
};

const isSame = (one: Mask, other: Mask): boolean => Buffer.compare(one, other) === 0;

const maskOfThread = (thread: number): Mask | undefined => {
  const mask = new Uint8Array(MASK_BYTES);
  return libc().sched_getaffinity(thread, MASK_BYTES, mask) < 0 ? undefined : mask;
};

const ownMask = (): Mask => {
  const mask = maskOfThread(SELF);
  if (mask === undefined) throw systemError('sched_getaffinity');
  return mask;
};

const setMask = (thread: number, mask: Mask): boolean => libc().sched_setaffinity(thread, MASK_BYTES, mask) === 0;

/** What this process keeps itself to, and what it was given: who looks where it may run looks past the first. */
let kept: { readonly mask: Mask; readonly given: Mask } | undefined;

/** Where others let the calling thread run. Whatever it does not run on by its own will, somebody else wants. */
const givenMask = (): Mask => {
  const mask = ownMask();
  return kept !== undefined && isSame(mask, kept.mask) ? kept.given : mask;
};

/** Numbers of the online processors that others let this process run on. */
export const givenProcessors = (): number[] => {
  const mask = givenMask();
  return onlineProcessors().filter((processor) => has(mask, processor));
};

/** Moves all threads of this process from one mask to another, but for those that somebody sent elsewhere. */
const moveThreads = (from: Mask, to: Mask): void => {
  const seen = new Set<number>();
  // A thread that is started meanwhile inherits the mask of whoever starts it: until a look finds no new one.
  for (let fresh = true; fresh; ) {
    fresh = false;
    for (const thread of entries('/proc/self/task').map(Number)) {
      if (seen.has(thread)) continue;
      seen.add(thread);
      fresh = true;
      const mask = maskOfThread(thread);
      if (mask !== undefined && isSame(mask, from)) setMask(thread, to);
    }
  }
};

/** Keeps all threads of this process, and those they start, to some of the processors it was given; undefined: to none in particular. */
export const keepTo = (processors: readonly number[] | undefined): void => {
  const given = givenMask();
  const mask = processors === undefined ? given : maskOf(processors);
  moveThreads(kept?.mask ?? given, mask);
  kept = processors === undefined ? undefined : { mask, given };
};

/**
 * Calls `start` with the calling thread on all processors this process was given: programs that it starts inherit those, not the ones this process keeps
 * itself to.
 */
export const onGivenProcessors = <T>(start: () => T): T => {
  if (kept === undefined || !isSame(ownMask(), kept.mask)) return start();
  setMask(SELF, kept.given);
  try {
    return start();
  } finally {
    setMask(SELF, kept.mask);
  }
};

/** True if this machine's processors are for everyone, so that a thread that wants to run on one of them soon does. */
export const processorsAreShared = (): boolean =>
  read('/sys/devices/system/cpu/isolated') === '' &&
  ['', '(null)'].includes(read('/sys/devices/system/cpu/nohz_full')) &&
  read('/proc/sys/kernel/sched_rt_runtime_us') !== '-1';

/** Runs the calling thread on every online processor in turn, then where it ran before. False, having visited not all, if others do not let it. */
export const visitAllProcessors = (): boolean => {
  const before = ownMask();
  const given = givenMask();
  const online = onlineProcessors();
  if (online.length === 0 || !online.every((processor) => has(given, processor))) return false;
  try {
    for (const processor of online) if (!setMask(SELF, maskOf([processor]))) return false;
  } finally {
    setMask(SELF, before);
  }
  return true;
};
