import type { BlockSet } from '@holdfast/block';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { awaitGracePeriod } from '../platform/grace-period.ts';
import { diskLost, traceLost } from './continuity-lost.ts';
import { watchHeldTags } from './held-tags.ts';
import type { MemoryFolder } from './memory-file.ts';
import type { RingReader } from './ring-reader.ts';
import { hasSlept } from './sleep.ts';
import type { TraceInstance } from './trace-instance.ts';
import type { TracedDisk } from './traced-disk.ts';
import type { TrackingMemory } from './tracking-memory.ts';
import type { Readings } from './witness.ts';
import type { UnderWay, WriteSink, WriteTrace } from './write-trace.ts';

/** How long the kernel may be behind with counting what it traced; one step of a handful of instructions, a busy machine may interrupt it. */
const COUNTING_LIMIT = 1e9;
const BASELINE_ROUNDS = 64;
const QUIET_READINGS = 3;
/** How long (ns) a disk without requests, which has to be idle for it, is waited for; milliseconds between looks. */
const BASELINE_LIMIT = 5e9;
const BASELINE_PAUSE = 1;
/** Nobody rings it. */
const PAUSE = new Int32Array(new SharedArrayBuffer(4));
/** A write that ends so long (ns) after the kernel last counted one is not counted: nothing is under way for so long. */
const UNCOUNTED_LIMIT = 60e9;

/** What makes a running trace. */
export interface TraceParts {
  readonly instance: TraceInstance;
  readonly memory: TrackingMemory;
  readonly reader: RingReader;
  /** The instant times are counted from, in nanoseconds of CLOCK_MONOTONIC. */
  readonly start: bigint;
  readonly folder: MemoryFolder;
}

/** The running trace: the disks that are attached, and the proofs. */
export interface OpenTrace extends WriteTrace {
  include(index: number, disk: TracedDisk): void;
  exclude(index: number): void;
  disk(index: number): TracedDisk | undefined;
  /** The witness's baseline of an included disk whose writes have been followed since before this call. */
  baseline(index: number, sink: WriteSink): number;
  /** Reads no more, but keeps the lock of the tracking memory, as opposed to `close`. False if it was stopped before. */
  stop(): boolean;
}

class Trace implements OpenTrace {
  readonly #instance: TraceInstance;
  readonly #memory: TrackingMemory;
  readonly #reader: RingReader;
  readonly start: bigint;
  readonly ringBytes: number;
  readonly #folder: MemoryFolder;
  #stopped = false;
  readonly #disks = new Map<number, TracedDisk>();
  /** Of disks without requests: what the kernel had counted, and when that was first seen. */
  readonly #counts = new Map<number, { readonly counted: number; readonly time: number }>();
  #broken: unknown;

  constructor({ instance, memory, reader, start, folder }: TraceParts) {
    this.#folder = folder;
    this.#instance = instance;
    this.#memory = memory;
    this.#reader = reader;
    this.start = start;
    this.ringBytes = Number.parseInt(memory.shape.kilobytes, 10) * 1024;
  }

  readonly now = (): number => Number(process.hrtime.bigint() - this.start);

  include(index: number, disk: TracedDisk): void {
    this.#disks.set(index, disk);
  }

  exclude(index: number): void {
    this.#disks.get(index)?.close();
    this.#disks.delete(index);
    this.#counts.delete(index);
  }

  disk(index: number): TracedDisk | undefined {
    return this.#disks.get(index);
  }

  drain(sink: WriteSink): void {
    this.#drain(sink, []);
  }

  settle(): void {
    awaitGracePeriod();
  }

  tellIssues(told: boolean): void {
    this.#instance.tellIssues(told);
  }

  dirty(index: number): BlockSet {
    this.#attached(index);
    return this.#reader.dirty(index);
  }

  idle(index: number): boolean {
    return this.#attached(index).idle();
  }

  underWay(index: number): UnderWay {
    return watchHeldTags(this.#attached(index).device.name);
  }

  verify(sink: WriteSink): void {
    const start = this.now();
    for (;;) {
      const readings = this.#read(this.#disks.keys(), sink);
      this.#breakUnless(() => this.#checkRings());
      let counted = true;
      for (const [index, disk] of this.#disks) {
        const missing = this.#lower(index, readings) - this.#memory.disks.baseline(index);
        const behind = this.#memory.disks.baseline(index) - readings[index]!.upper(this.#memory.sectors(index));
        this.#checkDisk(index, () => {
          disk.check();
          const harm = this.#reader.harm(index, start);
          if (harm !== undefined) throw diskLost(disk.device, harm);
          if (missing > 0) throw diskLost(disk.device, `${missing} sectors written to it are missing in the trace`);
          if (disk.device.bioBased === true) return this.#assureCounted(index, disk, readings[index]!);
          if (behind <= 0) return;
          const why = `${behind} sectors written to it were not counted in its I/O statistics`;
          if (this.now() - start > COUNTING_LIMIT) throw diskLost(disk.device, why);
          counted = false;
        });
      }
      if (!counted) continue;
      this.#breakUnless(() => this.#checkSettings());
      return;
    }
  }

  baseline(index: number, sink: WriteSink): number {
    // Requests that completed unseen just before we followed them are counted after this.
    this.settle();
    if (this.#attached(index).device.bioBased === true) return this.#idleBaseline(index, sink);
    let baseline = Number.NEGATIVE_INFINITY;
    let quiet = 0;
    for (let round = 0; round < BASELINE_ROUNDS; round += 1) {
      const readings = this.#read([index], sink);
      baseline = Math.max(baseline, this.#lower(index, readings));
      quiet += readings[index]!.quiet();
      if (quiet >= QUIET_READINGS) return baseline;
    }
    throw tooBusy(this.#attached(index), 'writes end so often that they cannot be counted');
  }

  /** What is under way was told of already and is counted sooner or later. And what was before we followed it must be over. */
  #idleBaseline(index: number, sink: WriteSink): number {
    const disk = this.#attached(index);
    for (const start = this.now(); this.now() - start < BASELINE_LIMIT; Atomics.wait(PAUSE, 0, 0, BASELINE_PAUSE)) {
      this.#drain(sink, []);
      if (!disk.idle()) continue;
      const readings: Readings[] = [];
      readings[index] = disk.readings(this.now);
      const staysIdle = disk.idle();
      this.settle();
      this.#drain(sink, readings);
      if (staysIdle) return this.#lower(index, readings);
    }
    throw tooBusy(disk, 'there was a write under way all the time');
  }

  /**
   * Of a disk without requests writes under way are told of before they are counted, and what is counted of discards and zeroes differs. So
   * nothing can be behind. But when data arrives and the count stands still, it is worth nothing.
   */
  #assureCounted(index: number, disk: TracedDisk, { last }: Readings): void {
    const known = this.#counts.get(index);
    if (known === undefined || known.counted !== last) {
      this.#counts.set(index, { counted: last, time: this.now() });
      return;
    }
    const written = this.#reader.lastWritten(index);
    if (written - known.time > UNCOUNTED_LIMIT) throw diskLost(disk.device, 'its writes are not counted in its I/O statistics');
  }

  close(): void {
    if (this.stop()) this.#folder.close();
  }

  stop(): boolean {
    if (this.#stopped) return false;
    this.#stopped = true;
    for (const index of [...this.#disks.keys()]) this.exclude(index);
    this.#reader.close();
    this.#broken = new HoldfastError('INTERNAL', { thing: this.#instance.path, why: 'the trace is closed', remedy: 'report this' });
    return true;
  }

  /** Readings of some disks, by index, completed by a settled drain. */
  #read(indexes: Iterable<number>, sink: WriteSink): readonly (Readings | undefined)[] {
    const readings: (Readings | undefined)[] = [];
    for (const index of indexes) this.#checkDisk(index, () => (readings[index] = this.#attached(index).readings(this.now)));
    this.settle();
    this.#drain(sink, readings);
    return readings;
  }

  #lower(index: number, readings: readonly (Readings | undefined)[]): number {
    return readings[index]!.lower(this.#memory.sectors(index));
  }

  #drain(sink: WriteSink, readings: readonly (Readings | undefined)[]): void {
    if (this.#broken !== undefined) throw this.#broken;
    this.#breakUnless(() => this.#reader.drain(sink, readings));
  }

  /** The kernel's own count of what it handed out and threw away. */
  #checkRings(): void {
    if (hasSlept(this.#memory.shape.asleep)) throw traceLost(this.#instance, 'the machine slept or hibernated');
    for (const [cpu, name] of this.#instance.cpus.entries()) {
      const { read, lost } = this.#instance.counters(cpu);
      const booked = this.#memory.booked(cpu);
      if (lost !== 0) throw traceLost(this.#instance, `the ring of ${name} lost ${lost} events`);
      const readByOthers = `of the ring of ${name} ${read} events were read, but ${booked} by this trace: someone else read or emptied it`;
      if (read !== booked) throw traceLost(this.#instance, readByOthers);
    }
  }

  /** Of issues that are not told of nothing else knows: they are in no count. */
  #checkSettings(): void {
    const difference = this.#instance.difference(this.#memory.shape.kilobytes);
    if (difference !== undefined) throw traceLost(this.#instance, `its settings were changed: ${difference}`);
  }

  /** After a failure here a page may be in its slot and not booked; whoever opens the trace next can tell, we must not go on. */
  #breakUnless(work: () => void): void {
    try {
      work();
    } catch (reason) {
      if (isHoldfastError(reason, 'CONTINUITY_LOST')) this.#memory.markLost();
      this.#broken = reason;
      throw reason;
    }
  }

  #checkDisk(index: number, work: () => void): void {
    try {
      work();
    } catch (reason) {
      if (isHoldfastError(reason, 'CONTINUITY_LOST')) this.#memory.disks.setStage(index, 'lost');
      throw reason;
    }
  }

  #attached(index: number): TracedDisk {
    const disk = this.#disks.get(index);
    if (disk !== undefined) return disk;
    throw new HoldfastError('INTERNAL', { thing: this.#instance.path, why: `no disk ${index} is attached`, remedy: 'report this' });
  }
}

const tooBusy = ({ device }: TracedDisk, why: string): HoldfastError =>
  new HoldfastError('CAPTURE_NOT_CONVERGED', { thing: device.path, why, remedy: 'try again when the disk is less busy' });

export const createOpenTrace = (parts: TraceParts): OpenTrace => new Trace(parts);
