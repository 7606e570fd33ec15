import { basename, dirname } from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { assureBiosAreTold } from './bio-probe.ts';
import { followedDevice, kernelDevice, type TracedDevice } from './device.ts';
import { cutText, type KnownDisk } from './disk-table.ts';
import { DISK_LIMIT } from './memory-layout.ts';
import { createOpenTrace, type OpenTrace, type TraceParts } from './open-trace.ts';
import { openTracedDisk, type TracedDisk } from './traced-disk.ts';
import type { WriteSink, WriteTrace } from './write-trace.ts';

/** Whether the dirty set of a disk names every write since it was first attached. */
export type Continuity =
  /** By the kernel's counters of events; the witness speaks at the next `verify`. */
  | { readonly kind: 'continuous' }
  /** Never traced before: nothing is known of its past, tracking starts now. */
  | { readonly kind: 'new' }
  /** Was traced, but writes may be missing: tracking starts anew, with an empty dirty set. */
  | { readonly kind: 'lost'; readonly reason: string };

export interface WriteTraceSession {
  readonly trace: WriteTrace;
  /**
   * Traces a disk, or goes on tracing it; afterwards no write escapes. The index is the disk's in `trace`; it stays over restarts. Does not
   * disturb other disks. A new disk takes some milliseconds: the witness needs a baseline, so rings are drained into `sink` (of all disks).
   * A disk that grew is continuous: of what lies behind its old end nothing is known.
   */
  attach(device: TracedDevice, sink: WriteSink): { readonly index: number; readonly continuity: Continuity };
  /**
   * What the caller has recorded of the disk since `attach` outlives it. Until then a new process is told `new` for a disk that was not
   * continuous: a loss that has been told but not acted on must not be forgotten.
   */
  confirm(index: number): void;
  /** Bytes an attached disk has now; more than it was attached with when it grew. */
  sizeOf(index: number): number;
  /** Takes in that an attached disk has `size` bytes now. What was written behind its old end until now is not in the dirty set. */
  grow(index: number, size: number): void;
  /** Stops tracing a disk and forgets it. */
  detach(index: number): void;
  /** Forgets the disks that were traced before a restart and have not been attached since; until then they go on being traced, unreported. */
  detachOthers(): void;
  /**
   * Closes, removes the tracefs instance and the tracking memory: nothing is continuous afterwards. `trace.close()` alone keeps both; a
   * closed trace cannot be destroyed, it may be someone else's by now.
   */
  destroy(): void;
}

/** Disks whose continuity is lost, and why; `undefined` disks: whichever is attached. */
export interface Lost {
  readonly reason: string;
  readonly disks: readonly KnownDisk[] | undefined;
}

const sameNumber = (a: KnownDisk, b: KnownDisk): boolean => a.major === b.major && a.minor === b.minor;

const differenceOf = (known: KnownDisk, found: KnownDisk): string | undefined => {
  if (known.diskSequence !== found.diskSequence || known.serial !== cutText(found.serial))
    return 'there is another disk behind its name now';
  if (found.size < known.size) return `it shrank from ${known.size} to ${found.size} bytes`;
  return undefined;
};

class Session implements WriteTraceSession {
  readonly trace: OpenTrace;
  readonly #parts: TraceParts;
  readonly #lost: Lost;
  /** Kernel numbers of disks whose loss has been reported. */
  readonly #reported = new Set<number>();
  readonly #removeInstance: () => void;

  constructor(parts: TraceParts, lost: Lost, removeInstance: () => void) {
    this.#parts = parts;
    this.#lost = lost;
    this.#removeInstance = removeInstance;
    this.trace = createOpenTrace(parts);
  }

  attach(device: TracedDevice, sink: WriteSink): { index: number; continuity: Continuity } {
    const { memory, reader } = this.#parts;
    const index = memory.disks.indexes('traced', 'lost', 'changing').find((at) => sameNumber(memory.disks.disk(at), device));
    if (index === undefined || memory.disks.stage(index) === 'changing') {
      if (index !== undefined) this.detach(index);
      return { index: this.#begin(device, sink), continuity: this.#past(device) };
    }
    const reason = memory.disks.stage(index) === 'lost' ? 'continuity was lost before' : differenceOf(memory.disks.disk(index), device);
    if (reason === undefined) {
      if (this.trace.disk(index) === undefined) {
        this.trace.include(index, openTracedDisk(device));
        reader.follow(index, followedDevice(device), reader.dirty(index), true);
      }
      if (device.size > memory.disks.disk(index).size) this.grow(index, device.size);
      return { index, continuity: { kind: 'continuous' } };
    }
    this.detach(index);
    return { index: this.#begin(device, sink), continuity: { kind: 'lost', reason } };
  }

  confirm(index: number): void {
    const { disks } = this.#parts.memory;
    if (disks.stage(index) === 'changing' && this.trace.disk(index) !== undefined) disks.setStage(index, 'traced');
  }

  sizeOf(index: number): number {
    return this.#attached(index).size();
  }

  grow(index: number, size: number): void {
    const { memory, reader } = this.#parts;
    const device = { ...this.#attached(index).device, size };
    const dirty = memory.growDirty(index, size);
    memory.disks.setSize(index, size);
    this.trace.exclude(index);
    this.trace.include(index, openTracedDisk(device));
    reader.follow(index, followedDevice(device), dirty, true);
  }

  detach(index: number): void {
    const { memory, reader } = this.#parts;
    if (!memory.disks.indexes('traced', 'lost', 'changing').includes(index)) return;
    memory.disks.setStage(index, 'changing');
    this.#followTable(index);
    reader.unfollow(index);
    this.trace.exclude(index);
    memory.forgetDirty(index);
    memory.disks.setStage(index, 'free');
  }

  detachOthers(): void {
    for (const index of this.#parts.memory.disks.indexes('traced', 'lost')) if (this.trace.disk(index) === undefined) this.detach(index);
  }

  destroy(): void {
    if (!this.trace.stop()) return;
    try {
      this.#removeInstance();
    } finally {
      this.#parts.folder.destroy();
    }
  }

  #attached(index: number): TracedDisk {
    const disk = this.trace.disk(index);
    if (disk === undefined)
      throw new HoldfastError('INTERNAL', { thing: `disk ${index}`, why: 'it is not attached', remedy: 'report this' });
    return disk;
  }

  /** Makes an entry for a disk and follows it from now on; it outlives this process once it is confirmed. */
  #begin(device: TracedDevice, sink: WriteSink): number {
    const { memory, reader } = this.#parts;
    const { disks } = memory;
    const index = disks.indexes('free')[0];
    if (index === undefined) {
      const why = `${DISK_LIMIT} disks are traced already`;
      throw new HoldfastError('DEVICE_UNSUPPORTED', { thing: device.path, why, remedy: 'protect fewer disks of this machine with trace' });
    }
    if (device.bioBased === true) this.#assureTold(device);
    disks.fill(index, device);
    try {
      const dirty = memory.dirty(index, true);
      this.trace.include(index, openTracedDisk(device));
      reader.follow(index, followedDevice(device), dirty, true);
      this.#followTable();
      disks.setBaseline(index, this.trace.baseline(index, sink));
      return index;
    } catch (reason) {
      this.detach(index);
      throw reason;
    }
  }

  #assureTold(device: TracedDevice): void {
    const { path } = this.#parts.instance;
    assureBiosAreTold(device, dirname(dirname(path)), `${basename(path)}-probe`);
  }

  /** Has the kernel record the writes of the disks in the table, except one. */
  #followTable(except?: number): void {
    const { disks } = this.#parts.memory;
    const indexes = disks.indexes('traced', 'lost', 'changing').filter((index) => index !== except);
    this.#parts.instance.follow(indexes.map((index) => followedDevice(disks.disk(index))));
  }

  /** What happened before to a disk that has no entry. A loss is said once. */
  #past(device: TracedDevice): Continuity {
    const { disks, reason } = this.#lost;
    const lost = disks === undefined || disks.some((disk) => sameNumber(disk, device));
    const number = kernelDevice(device);
    if (!lost || this.#reported.has(number)) return { kind: 'new' };
    this.#reported.add(number);
    return { kind: 'lost', reason };
  }
}

/** `removeInstance` removes the kernel's trace once nobody reads it any more. */
export const createSession = (parts: TraceParts, lost: Lost, removeInstance: () => void): WriteTraceSession =>
  new Session(parts, lost, removeInstance);
