import { endianness } from 'node:os';
import { HoldfastError } from '@holdfast/errors';
import { awaitGracePeriod } from '../platform/grace-period.ts';
import { followedDevice } from './device.ts';
import type { DiskStage } from './disk-table.ts';
import { findMemoryDirectory, type MemoryFolder, openMemoryFolder } from './memory-file.ts';
import type { TraceParts } from './open-trace.ts';
import { timeBase } from './ring-page.ts';
import { createRingReader } from './ring-reader.ts';
import { secondsAsleep } from './sleep.ts';
import { createTraceInstance, type FollowedDevice, openTraceInstance, removeTraceInstance, type TraceInstance } from './trace-instance.ts';
import { createSession, type Lost, type WriteTraceSession } from './trace-session.ts';
import { findTracefs } from './tracefs.ts';
import { createTrackingMemory, openTrackingMemory, type TrackingMemory } from './tracking-memory.ts';

export type { Continuity, WriteTraceSession } from './trace-session.ts';

export interface WriteTraceOptions {
  /** 32 hexadecimal digits. */
  readonly machineId: string;
  /** Name of the tracefs instance and of the directory of the tracking memory; `holdfast-<machineId>` if not given. */
  readonly stateName?: string;
  /** A directory in a tmpfs that holds the tracking memory; `/run`, else `/dev/shm`, if not given. */
  readonly memoryDirectory?: string;
  /** Kernel memory for events, shared out over the processors that are there; taken when the instance is made, not when it is re-opened. */
  readonly bufferBytes: number;
}

/**
 * Opens the machine's write trace: goes on with the instance and the tracking memory a former process left, if the kernel's counters prove
 * that not one event is missing, else starts anew (then `attach` says for which disks continuity is lost and why). After CONTINUITY_LOST
 * of a single disk (`thing` is its path) detach and attach it; when it names the instance, `destroy` and create again. After any error of
 * `drain`, also one thrown by the sink, the trace accepts nothing but `close` and `destroy`.
 *
 * Throws TRACEFS_UNAVAILABLE, NO_PERMISSION, SETTING_INVALID, NO_SPACE (tmpfs full), AGENT_RUNNING (another process holds the trace).
 * `attach` throws DEVICE_UNSUPPORTED (more than 64 disks), NO_SPACE, CAPTURE_NOT_CONVERGED (too busy for a baseline).
 */
export const createWriteTrace = (options: WriteTraceOptions): WriteTraceSession => {
  const name = options.stateName ?? `holdfast-${options.machineId}`;
  if (!/^[0-9a-f]{32}$/.test(options.machineId)) throw invalid('machineId', 'it is not 32 hexadecimal digits');
  if (!/^[\w-][\w.-]{0,63}$/.test(name)) throw invalid('stateName', 'it is not 1 to 64 letters, digits, dots, dashes');
  const tracefs = findTracefs();
  refuseForeignMachines();
  const folder = openMemoryFolder(findMemoryDirectory(options.memoryDirectory), name);
  try {
    const found = goOn(tracefs, name, folder, options.machineId);
    const parts = 'reader' in found ? found : beginAnew(tracefs, name, folder, options);
    return createSession(parts, 'reader' in found ? NOTHING_LOST : found, () => removeTraceInstance(tracefs, name));
  } catch (reason) {
    if (folder.stateBytes === 0) folder.destroy();
    else folder.close();
    throw reason;
  }
};

/** What no setting mends: records are read as little-endian words, and late ones must be made visible. */
const refuseForeignMachines = (): void => {
  const refuse = (why: string, cause?: unknown): HoldfastError =>
    new HoldfastError('TRACEFS_UNAVAILABLE', { thing: 'trace', why, remedy: 'use capture scan', cause });
  if (endianness() !== 'LE') throw refuse('this processor is big-endian');
  try {
    awaitGracePeriod();
  } catch (reason) {
    throw refuse('some processors are set apart from this process and the kernel has no membarrier', reason);
  }
};

const NOTHING_LOST: Lost = { reason: '', disks: [] };

const invalid = (thing: string, why: string): HoldfastError => new HoldfastError('SETTING_INVALID', { thing, why, remedy: 'correct it' });

/** Takes up the trace a former process left, or says what is lost with it. */
const goOn = (tracefs: string, name: string, folder: MemoryFolder, machineId: string): TraceParts | Lost => {
  const memory = openTrackingMemory(folder, machineId);
  if (memory === undefined) return NOTHING_LOST;
  if ('reason' in memory) return { reason: memory.reason, disks: undefined };
  const disks = memory.disks.indexes('traced', 'lost').map((index) => memory.disks.disk(index));
  const instance = openTraceInstance(tracefs, name);
  if (instance === undefined) return { reason: "the kernel's trace was removed", disks };
  const reason = differenceBetween(instance, memory);
  if (reason !== undefined) return { reason, disks };

  const start = process.hrtime.bigint();
  const reader = createRingReader(instance, memory, timeBase(start));
  for (const index of memory.disks.indexes('traced', 'lost')) {
    if (memory.hasDirty(index)) reader.follow(index, followedDevice(memory.disks.disk(index)), memory.dirty(index, false), false);
    else memory.disks.setStage(index, 'lost');
  }
  const gap = reader.recover();
  if (gap === undefined) return { instance, memory, reader, start, folder };
  reader.close();
  return { reason: gap, disks };
};

/** What the kernel's trace does not share with the memory that books it; ends what was being changed when the former process ended. */
const differenceBetween = (instance: TraceInstance, memory: TrackingMemory): string | undefined => {
  const { cpus, subBufferBytes, kilobytes } = memory.shape;
  if (instance.cpus.length !== cpus || instance.subBufferBytes !== subBufferBytes) return "the kernel's trace has another shape";
  const followed = (...stages: DiskStage[]): FollowedDevice[] =>
    memory.disks.indexes(...stages).map((index) => followedDevice(memory.disks.disk(index)));
  const sure = followed('traced', 'lost');
  const difference = instance.difference(kilobytes, sure, followed('traced', 'lost', 'changing'));
  if (difference !== undefined) return `the settings of the kernel's trace were changed: ${difference}`;
  instance.follow(sure);
  for (const index of memory.disks.indexes('changing')) {
    memory.forgetDirty(index);
    memory.disks.setStage(index, 'free');
  }
  return undefined;
};

const beginAnew = (tracefs: string, name: string, folder: MemoryFolder, { machineId, bufferBytes }: WriteTraceOptions): TraceParts => {
  const instance = createTraceInstance(tracefs, name, bufferBytes);
  try {
    const { subBufferBytes, cpus } = instance;
    const shape = { machineId, cpus: cpus.length, subBufferBytes, kilobytes: instance.kilobytes(), asleep: secondsAsleep() };
    const memory = createTrackingMemory(folder, shape);
    memory.markUsed();
    const start = process.hrtime.bigint();
    return { instance, memory, reader: createRingReader(instance, memory, timeBase(start)), start, folder };
  } catch (reason) {
    removeTraceInstance(tracefs, name);
    throw reason;
  }
};
