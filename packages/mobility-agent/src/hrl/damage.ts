import { HoldfastError } from '@holdfast/errors';

/** DAMAGED, naming the file and the byte where the log is not what was written. */
export const damaged = (path: string, offset: number, why: string): HoldfastError =>
  new HoldfastError('DAMAGED', {
    thing: `${path} at byte ${offset}`,
    why,
    remedy: 'look at the log with `holdfast-agent hrl inspect`; moved away, it is begun anew and the disks are resynchronized',
  });

export const misuse = (why: string): HoldfastError =>
  new HoldfastError('INTERNAL', { thing: 'agent log (.hrl)', why, remedy: 'report this as a bug' });
