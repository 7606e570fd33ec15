import { closeSync } from 'node:fs';
import type { BlockSet } from '@holdfast/block';
import { readInto } from '../platform/file.ts';
import { traceLost } from './continuity-lost.ts';
import type { CommandEventFormat, RequestEventFormat } from './event-format.ts';
import { DISK_LIMIT } from './memory-layout.ts';
import { mayChange } from './pass-through.ts';
import { type PageSummary, parseRingPage, type RecordVisitor, type TimeBase } from './ring-page.ts';
import type { FollowedDevice, TraceInstance } from './trace-instance.ts';
import type { TrackingMemory } from './tracking-memory.ts';
import type { Readings } from './witness.ts';
import type { WriteSink } from './write-trace.ts';

const SECTOR = 512;
/** How the kernel's events abbreviate a discard, secure ones too: the letter that is first of all. */
const DISCARD = 'D'.charCodeAt(0);
const WRITE = 'W'.charCodeAt(0);
/** Neither data written nor discarded: zeroes, and whatever has no place. */
const OTHER = 'N'.charCodeAt(0);
/** Goes before the others when the device is to empty its cache first. */
const FLUSH_FIRST = 'F'.charCodeAt(0);

/** Reads the rings of all possible CPUs, each page through its slot of the tracking memory. */
export interface RingReader {
  /** Takes the events of `device` as those of disk `index` from now on. `reported`: the sink is told. */
  follow(index: number, device: FollowedDevice, dirty: BlockSet, reported: boolean): void;
  unfollow(index: number): void;
  dirty(index: number): BlockSet;
  /**
   * Why data of disk `index` may have changed unseen, if it may: a program handed a command to it. What was handed over by `until` must have
   * been told of in full.
   */
  harm(index: number, until: number): string | undefined;
  /** When data written to disk `index`, which is handled without requests, was last seen to arrive; -Infinity if it never was. */
  lastWritten(index: number): number;
  /**
   * Reads to the present end of each ring; tells the readings of a disk of later completions. Throws CONTINUITY_LOST if records were lost or
   * make no sense.
   */
  drain(sink: WriteSink, readings?: readonly (Readings | undefined)[]): void;
  /** Books what a killed process left in the slots. Returns why that proves nothing, if it does not. */
  recover(): string | undefined;
  close(): void;
}

interface Handed {
  readonly disk: number;
  readonly time: number;
}

interface Followed extends FollowedDevice {
  readonly dirty: BlockSet;
  readonly reported: boolean;
}

const byteAt = (words: Uint32Array, first: number, at: number): number => (words[first + (at >> 2)]! >>> ((at & 3) * 8)) & 0xff;

/** The letter of what is done. */
const operationOf = ({ letter }: RequestEventFormat, words: Uint32Array, first: number): number | undefined => {
  if (letter === undefined) return undefined;
  const code = byteAt(words, first, letter);
  return code === FLUSH_FIRST ? byteAt(words, first, letter + 1) : code;
};

const isDiscard = (format: RequestEventFormat, words: Uint32Array, first: number): boolean => operationOf(format, words, first) === DISCARD;

/** High word of the sector of a completed request that has none: what a program handed over, of which the length is told nevertheless. */
const NO_PLACE = 0xffff_ffff;

const offsetOf = (format: RequestEventFormat, words: Uint32Array, first: number): number =>
  (words[first + format.sector + 1]! * 2 ** 32 + words[first + format.sector]!) * SECTOR;

const NOBODY: WriteSink = { issued: () => {}, requeued: () => {}, completed: () => {} };
const NO_READINGS: readonly undefined[] = [];

/** Takes the records of one page at a time: marks blocks, adds up sectors, tells the sink. */
class Visitor implements RecordVisitor {
  sink: WriteSink = NOBODY;
  readings: readonly (Readings | undefined)[] = NO_READINGS;
  readonly sectors = new Float64Array(DISK_LIMIT);
  /** A record of a known event was too short for its fields. */
  cutOff = false;
  readonly followed: (Followed | undefined)[] = [];
  /** Whose ring is being read. */
  cpu = 0;
  /** Disks to which a program handed a command that is not known yet, by processor. */
  readonly #handed: (Handed | undefined)[] = [];
  /** The kernel tells of commands at present. */
  toldCommands = false;
  /** Why data of a disk may have changed where nobody knows. */
  readonly harm: (string | undefined)[] = [];
  readonly lastWritten = new Float64Array(DISK_LIMIT).fill(Number.NEGATIVE_INFINITY);
  readonly #formats: TraceInstance['formats'];
  readonly #commands: TraceInstance['commandFormat'];
  #lastDevice = -1;
  #lastIndex = -1;

  constructor({ formats, commandFormat }: Pick<TraceInstance, 'formats' | 'commandFormat'>) {
    this.#formats = formats;
    this.#commands = commandFormat;
  }

  record(words: Uint32Array, first: number, count: number, time: number): void {
    const id = words[first]! & 0xffff;
    const format = this.#formatOf(id);
    if (format === undefined) {
      if (id === this.#commands?.id) this.#command(this.#commands, words, first, count);
      return;
    }
    if (count < format.words) {
      this.cutOff = true;
      return;
    }
    const disk = this.#indexOf(words[first + format.device]!);
    if (disk < 0) return;
    if (this.followed[disk]!.bioBased) this.#bio(format, words, first, disk, time);
    else this.#request(format, words, first, disk, time);
  }

  forgetLast(): void {
    this.#lastDevice = -1;
  }

  #formatOf(id: number): RequestEventFormat | undefined {
    const { complete, issue, requeue, queue, end } = this.#formats;
    if (id === complete.id) return complete;
    if (id === issue.id) return issue;
    if (id === queue.id) return queue;
    if (id === end.id) return end;
    return id === requeue.id ? requeue : undefined;
  }

  #request(format: RequestEventFormat, words: Uint32Array, first: number, disk: number, time: number): void {
    const { complete, issue, queue, end } = this.#formats;
    const sectors = words[first + format.sectors]!;
    if (sectors === 0 && format === issue && operationOf(format, words, first) === OTHER) this.#hand(disk, time);
    if (sectors === 0 || format === end || words[first + format.sector + 1] === NO_PLACE) return;
    const { dirty, reported, gathersDiscards } = this.followed[disk]!;
    if (format === queue && !gathersDiscards) return;
    const offset = offsetOf(format, words, first);
    const length = sectors * SECTOR;
    // Of such a discard the kernel's requests name the first range and the length of all.
    const gathered = gathersDiscards && isDiscard(format, words, first);
    if (format === complete) {
      if (!gathered) dirty.addBytes(offset, length);
      this.#count(disk, sectors, time);
      if (!reported) return;
      const success = complete.error !== undefined && words[first + complete.error] === 0;
      if (gathered) this.sink.discardEnded?.(disk, length, time, success);
      else this.sink.completed(disk, offset, length, time, success && isDiscard(format, words, first));
    } else if (format === queue) {
      dirty.addBytes(offset, length);
      if (reported) this.sink.discardQueued?.(disk, offset, length, time);
    } else if (!reported || gathered) return;
    else if (format === issue) this.sink.issued(disk, offset, length, time);
    else this.sink.requeued(disk, offset, length, time);
  }

  /** What is queued counts as written, for what ends of it need not name it all. */
  #bio(format: RequestEventFormat, words: Uint32Array, first: number, disk: number, time: number): void {
    const { queue, end } = this.#formats;
    const sectors = words[first + format.sectors]!;
    const { dirty, reported } = this.followed[disk]!;
    const offset = offsetOf(format, words, first);
    if (format === queue) {
      if (sectors === 0) return;
      dirty.addBytes(offset, sectors * SECTOR);
      this.#count(disk, sectors, time);
      if (reported) this.sink.queued?.(disk, offset, sectors * SECTOR, time, isDiscard(format, words, first));
    } else if (format === end) {
      const operation = operationOf(format, words, first);
      if (operation === WRITE && sectors > 0) this.lastWritten[disk] = Math.max(this.lastWritten[disk]!, time);
      const success = format.error !== undefined && words[first + format.error] === 0;
      if (reported) this.sink.ended?.(disk, offset, sectors * SECTOR, time, success && operation === DISCARD);
    }
  }

  /** Commands handed over until `time` of which nothing more was told; each is told of at once, unless something came in between. */
  assumeWorst(time: number): void {
    for (const [cpu, handed] of this.#handed.entries()) if (handed !== undefined && handed.time <= time) this.#assumeWorst(cpu, handed);
  }

  #assumeWorst(cpu: number, { disk }: Handed): void {
    this.harm[disk] ??= 'a program handed it a command of its own, which was not told of';
    this.#handed[cpu] = undefined;
  }

  #hand(disk: number, time: number): void {
    const { passThrough } = this.followed[disk]!;
    if (passThrough === 'nvme') this.harm[disk] ??= 'a program handed it an NVMe command of its own';
    if (passThrough !== 'scsi') return;
    const before = this.#handed[this.cpu];
    if (before !== undefined) this.#assumeWorst(this.cpu, before);
    this.#handed[this.cpu] = { disk, time };
  }

  #command({ opcode, command, words: least }: CommandEventFormat, words: Uint32Array, first: number, count: number): void {
    this.toldCommands = true;
    const handed = this.#handed[this.cpu];
    if (handed === undefined) return;
    this.#handed[this.cpu] = undefined;
    const place = count < least ? 0 : words[first + command]!;
    const [at, length] = [place & 0xffff, place >>> 16];
    const isThere = (index: number): boolean => index < length && at + index < count * 4;
    const code = count < least ? 0xff : words[first + opcode]!;
    if (!mayChange(code, (index) => (isThere(index) ? byteAt(words, first, at + index) : undefined))) return;
    this.harm[handed.disk] ??= `a program handed it the SCSI command 0x${code.toString(16).padStart(2, '0')}, past the block layer`;
  }

  #count(disk: number, sectors: number, time: number): void {
    this.sectors[disk]! += sectors;
    const readings = this.readings[disk];
    if (readings !== undefined && time > readings.first) readings.late(time, sectors);
  }

  #indexOf(device: number): number {
    if (device === this.#lastDevice) return this.#lastIndex;
    this.#lastDevice = device;
    this.#lastIndex = this.followed.findIndex((disk) => disk?.device === device);
    return this.#lastIndex;
  }
}

class Reader implements RingReader {
  readonly #instance: TraceInstance;
  readonly #memory: TrackingMemory;
  readonly #base: TimeBase;
  readonly #visitor: Visitor;
  readonly #rings: readonly number[];
  readonly #slots: ReturnType<TrackingMemory['slot']>[];
  readonly #readsAtMost: number;

  constructor(instance: TraceInstance, memory: TrackingMemory, base: TimeBase) {
    this.#instance = instance;
    this.#memory = memory;
    this.#base = base;
    this.#visitor = new Visitor(instance);
    this.#slots = instance.cpus.map((_, cpu) => memory.slot(cpu));
    this.#rings = instance.cpus.map((_, cpu) => instance.openRing(cpu));
    // What was in a ring when a drain began is read after as many reads as it has pages, its reader's page and a page cut in two.
    this.#readsAtMost = Math.ceil((Number.parseInt(instance.kilobytes(), 10) * 1024) / (instance.subBufferBytes - 16)) + 3;
  }

  follow(index: number, device: FollowedDevice, dirty: BlockSet, reported: boolean): void {
    this.#visitor.followed[index] = { ...device, dirty, reported };
    this.#visitor.forgetLast();
  }

  harm(index: number, until: number): string | undefined {
    this.#visitor.assumeWorst(until);
    return this.#visitor.harm[index];
  }

  lastWritten(index: number): number {
    return this.#visitor.lastWritten[index]!;
  }

  unfollow(index: number): void {
    this.#visitor.followed[index] = undefined;
    this.#visitor.lastWritten[index] = Number.NEGATIVE_INFINITY;
    this.#visitor.harm[index] = undefined;
    this.#visitor.forgetLast();
  }

  dirty(index: number): BlockSet {
    return this.#visitor.followed[index]!.dirty;
  }

  drain(sink: WriteSink, readings: readonly (Readings | undefined)[] = NO_READINGS): void {
    this.#visitor.sink = sink;
    this.#visitor.readings = readings;
    for (let cpu = 0; cpu < this.#slots.length; cpu += 1) this.#drainCpu(cpu);
    this.#visitor.readings = NO_READINGS;
    if (!this.#visitor.toldCommands) return;
    this.#visitor.toldCommands = false;
    this.#instance.quietCommands();
  }

  recover(): string | undefined {
    this.#visitor.sink = NOBODY;
    for (let cpu = 0; cpu < this.#slots.length; cpu += 1) {
      const { read, lost } = this.#instance.counters(cpu);
      const name = this.#instance.cpus[cpu];
      if (lost > 0) return `the ring of ${name} lost ${lost} events`;
      const missing = read - this.#memory.booked(cpu);
      if (missing === 0) this.#memory.discard(cpu);
      else {
        const page = this.#visit(cpu);
        if (page.records !== missing || page.lost !== 0 || page.fault !== undefined) {
          return `of the ring of ${name} ${missing} events were read but neither booked nor kept`;
        }
        this.#memory.book(cpu, page.records, this.#visitor.sectors);
      }
    }
    return undefined;
  }

  close(): void {
    for (const ring of this.#rings) closeSync(ring);
  }

  #drainCpu(cpu: number): void {
    const ring = this.#rings[cpu]!;
    const { address } = this.#slots[cpu]!;
    for (let reads = 0; reads < this.#readsAtMost; reads += 1) {
      if (readInto(ring, address, this.#instance.subBufferBytes) === 0) return;
      const { records, lost, fault } = this.#visit(cpu);
      if (fault !== undefined)
        throw traceLost(this.#instance, `a page of the ring of ${this.#instance.cpus[cpu]} makes no sense: ${fault}`);
      if (lost !== 0)
        throw traceLost(this.#instance, `the ring of ${this.#instance.cpus[cpu]} overflowed, ${lost < 0 ? 'some' : lost} events are lost`);
      this.#memory.book(cpu, records, this.#visitor.sectors);
    }
  }

  #visit(cpu: number): PageSummary {
    this.#visitor.cpu = cpu;
    const page = parseRingPage(this.#slots[cpu]!.words, this.#base, this.#visitor);
    // Before the page is booked: a process that follows must not go on with such a disk either.
    for (const [disk, harm] of this.#visitor.harm.entries()) if (harm !== undefined) this.#memory.disks.setStage(disk, 'lost');
    return this.#visitor.cutOff ? { ...page, fault: 'a record is too short for its fields' } : page;
  }
}

export const createRingReader = (instance: TraceInstance, memory: TrackingMemory, base: TimeBase): RingReader =>
  new Reader(instance, memory, base);
