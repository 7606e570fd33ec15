import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { HoldfastError } from '@holdfast/errors';
import { libc, systemError } from '../platform/libc.ts';

const TRACEFS_MAGIC = 0x7472_6163;
const USUAL = '/sys/kernel/tracing';
const UNDER_DEBUGFS = '/sys/kernel/debug/tracing';

const isTracefs = (path: string): boolean => {
  try {
    return statfsSync(path).type === TRACEFS_MAGIC;
  } catch {
    return false;
  }
};

const lockedDown = (): boolean => {
  try {
    return readFileSync('/sys/kernel/security/lockdown', 'latin1').includes('[confidentiality]');
  } catch {
    return false;
  }
};

const mountTracefs = (): void => {
  if (libc().mount('tracefs', USUAL, 'tracefs', 0, null) === 0) return;
  const cause = systemError('mount');
  const why = `it could not be mounted (${cause.code})`;
  if (cause.code === 'EPERM' || cause.code === 'EACCES') {
    throw new HoldfastError('NO_PERMISSION', { thing: USUAL, why, remedy: 'run as root', cause });
  }
  throw new HoldfastError('TRACEFS_UNAVAILABLE', { thing: USUAL, why, remedy: 'use a kernel with CONFIG_FTRACE, or capture scan', cause });
};

/**
 * The directory of tracefs, mounted if it is not yet. Throws TRACEFS_UNAVAILABLE if the kernel has no block events or is locked down,
 * NO_PERMISSION if we are not allowed to use it.
 */
export const findTracefs = (): string => {
  const unavailable = (why: string, remedy: string): HoldfastError =>
    new HoldfastError('TRACEFS_UNAVAILABLE', { thing: 'tracefs', why, remedy });
  if (process.platform !== 'linux') throw unavailable('this is not Linux', 'use capture scan');
  if (lockedDown()) throw unavailable('the kernel is locked down (confidentiality)', 'allow tracing or use capture scan');
  const root = [USUAL, UNDER_DEBUGFS].find(isTracefs) ?? USUAL;
  if (!isTracefs(root)) {
    if (!existsSync(USUAL)) throw unavailable('the kernel was built without it', 'use a kernel with CONFIG_FTRACE, or capture scan');
    mountTracefs();
  }
  if (process.geteuid?.() !== 0) {
    throw new HoldfastError('NO_PERMISSION', { thing: root, why: 'only root may trace', remedy: 'run as root, or use capture scan' });
  }
  if (!existsSync(`${root}/events/block/block_rq_complete`)) {
    throw unavailable('the kernel has no events of block requests', 'use a kernel with CONFIG_EVENT_TRACING, or capture scan');
  }
  return root;
};
