import { HoldfastError } from '@holdfast/errors';
import type { TracedDevice } from './device.ts';

/** Writes of one disk may be missing. */
export const diskLost = (device: TracedDevice, why: string, cause?: unknown): HoldfastError =>
  new HoldfastError('CONTINUITY_LOST', { thing: device.path, why, remedy: 'resynchronize the disk', cause });

/** Writes of any disk may be missing: something happened to the trace as a whole, named by the path of its instance. */
export const traceLost = (instance: { readonly path: string }, why: string): HoldfastError =>
  new HoldfastError('CONTINUITY_LOST', { thing: instance.path, why, remedy: 'resynchronize all disks of the machine' });
