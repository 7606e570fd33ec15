import { readFileSync } from 'node:fs';
import type { BlockSet } from '@holdfast/block';
import type { MappedMemory } from '../platform/memory.ts';
import { hasDirtySet, openDirtySet, removeDirtySet } from './dirty-set.ts';
import { createDiskTable, type DiskTable, readText, writeText } from './disk-table.ts';
import type { MemoryFolder } from './memory-file.ts';
import { DISK_LIMIT, HEADER, halfOffset, MAGIC, STAGE, slotOffset, stateBytes, turnOffset, VERSION } from './memory-layout.ts';
import { pageWords } from './ring-page.ts';
import { hasSlept } from './sleep.ts';

/** What is fixed when a memory is made. */
export interface MemoryShape {
  /** 32 hexadecimal digits. */
  readonly machineId: string;
  readonly cpus: number;
  readonly subBufferBytes: number;
  /** `buffer_size_kb` of the instance, as the kernel words it. */
  readonly kilobytes: string;
  /** As of `secondsAsleep`. */
  readonly asleep: number;
}

/** The shared memory everything drained is booked in before `drain` returns; bytes in `memory-layout.ts`. */
export interface TrackingMemory {
  readonly shape: MemoryShape;
  readonly disks: DiskTable;
  slot(cpu: number): { readonly address: bigint; readonly words: Uint32Array };
  /** Records of the CPU's ring that are booked. */
  booked(cpu: number): number;
  /** Books what the CPU's slot held, `sectors` per disk index among it, and empties slot and `sectors`. */
  book(cpu: number, records: number, sectors: Float64Array): void;
  /** Empties the slot of the CPU, or its first words: what it holds is booked. */
  discard(cpu: number, words?: number): void;
  /** Sectors of completed writes of a disk booked so far. */
  sectors(disk: number): number;
  /** The dirty set of a disk in the table; made empty if `fresh`. */
  dirty(disk: number, fresh: boolean): BlockSet;
  /** The dirty set of a disk in the table, with room for a disk of `size` bytes; what it holds stays. The table is not changed. */
  growDirty(disk: number, size: number): BlockSet;
  /** True if the dirty set of a disk in the table is there in full length, or longer: a process may have ended while it grew. */
  hasDirty(disk: number): boolean;
  forgetDirty(disk: number): void;
  /** From now on nobody may go on with this memory. */
  markLost(): void;
  markUsed(): void;
}

class Memory implements TrackingMemory {
  readonly shape: MemoryShape;
  readonly disks: DiskTable;
  readonly #folder: MemoryFolder;
  readonly #state: MappedMemory;
  readonly #words: Uint32Array;
  readonly #doubles: Float64Array;
  readonly #slots: Uint32Array[];

  constructor(folder: MemoryFolder, state: MappedMemory, shape: MemoryShape) {
    const { buffer } = state.bytes;
    const { cpus, subBufferBytes } = shape;
    this.shape = shape;
    this.#folder = folder;
    this.#state = state;
    this.#words = new Uint32Array(buffer);
    this.#doubles = new Float64Array(buffer);
    this.#slots = Array.from(
      { length: cpus },
      (_, cpu) => new Uint32Array(buffer, slotOffset(cpus, subBufferBytes, cpu), subBufferBytes / 4),
    );
    this.disks = createDiskTable(state.bytes);
  }

  slot(cpu: number): { address: bigint; words: Uint32Array } {
    return { address: this.#state.address + BigInt(slotOffset(this.shape.cpus, this.shape.subBufferBytes, cpu)), words: this.#slots[cpu]! };
  }

  booked(cpu: number): number {
    return this.#doubles[this.#half(cpu, 0)]!;
  }

  book(cpu: number, records: number, sectors: Float64Array): void {
    const doubles = this.#doubles;
    const from = this.#half(cpu, 0);
    const to = this.#half(cpu, 1);
    doubles[to] = doubles[from]! + records;
    for (let disk = 0; disk < DISK_LIMIT; disk += 1) doubles[to + 1 + disk] = doubles[from + 1 + disk]! + sectors[disk]!;
    const turn = turnOffset(cpu) / 4;
    // The one store that counts; Atomics keeps the compiler from moving the others behind it, or the emptying of the slot before it.
    Atomics.store(this.#words, turn, this.#words[turn]! + 1);
    // Behind what a page holds the kernel has zeroes.
    this.discard(cpu, pageWords(this.#slots[cpu]!));
    sectors.fill(0);
  }

  discard(cpu: number, words?: number): void {
    this.#slots[cpu]!.fill(0, 0, words);
  }

  sectors(disk: number): number {
    let sum = 0;
    for (let cpu = 0; cpu < this.shape.cpus; cpu += 1) sum += this.#doubles[this.#half(cpu, 0) + 1 + disk]!;
    return sum;
  }

  dirty(disk: number, fresh: boolean): BlockSet {
    return openDirtySet(this.#folder, disk, this.disks.disk(disk).size, fresh);
  }

  growDirty(disk: number, size: number): BlockSet {
    return openDirtySet(this.#folder, disk, size, false);
  }

  hasDirty(disk: number): boolean {
    return hasDirtySet(this.#folder, disk, this.disks.disk(disk).size);
  }

  forgetDirty(disk: number): void {
    removeDirtySet(this.#folder, disk);
  }

  markLost(): void {
    Atomics.store(this.#words, HEADER.stage / 4, STAGE.lost);
  }

  markUsed(): void {
    this.#words[HEADER.owner / 4] = process.pid;
    Atomics.store(this.#words, HEADER.stage / 4, STAGE.used);
  }

  /** First double of the half in force, or of the other one. */
  #half(cpu: number, other: 0 | 1): number {
    return halfOffset(cpu, (this.#words[turnOffset(cpu) / 4]! + other) % 2) / 8;
  }
}

/** Changes with every start of the kernel. */
const bootId = (): Buffer => Buffer.from(readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim().replaceAll('-', ''), 'hex');

/** Makes the memory anew, in stage "being made"; `markUsed` once the trace runs. Throws NO_SPACE if the tmpfs is full. */
export const createTrackingMemory = (folder: MemoryFolder, shape: MemoryShape): TrackingMemory => {
  const state = folder.map('state', stateBytes(shape.cpus, shape.subBufferBytes), true);
  const { bytes } = state;
  const view = new DataView(bytes.buffer);
  bytes.set(Buffer.from(MAGIC, 'latin1'), HEADER.magic);
  view.setUint32(HEADER.version, VERSION, true);
  view.setUint32(HEADER.cpus, shape.cpus, true);
  view.setUint32(HEADER.subBuffer, shape.subBufferBytes, true);
  bytes.set(bootId(), HEADER.bootId);
  bytes.set(Buffer.from(shape.machineId, 'hex'), HEADER.machineId);
  writeText(bytes, HEADER.kilobytes, shape.kilobytes);
  view.setFloat64(HEADER.asleep, shape.asleep, true);
  return new Memory(folder, state, shape);
};

/** The memory a former process left, untouched; a reason (a clause) if nobody can go on with it; `undefined` if there is none. */
export const openTrackingMemory = (folder: MemoryFolder, machineId: string): TrackingMemory | { readonly reason: string } | undefined => {
  const length = folder.stateBytes;
  if (length === 0) return undefined;
  if (length < stateBytes(1, 1)) return { reason: 'the tracking memory is cut off' };
  const state = folder.map('state', length, false);
  const bytes = Buffer.from(state.bytes.buffer);
  const number = (offset: number): number => bytes.readUInt32LE(offset);
  const stage = number(HEADER.stage);
  if (stage === STAGE.making) return undefined;
  if (bytes.toString('latin1', 0, 8) !== MAGIC || number(HEADER.version) !== VERSION)
    return { reason: 'the tracking memory is of another version' };
  if (!bytes.subarray(HEADER.bootId, HEADER.bootId + 16).equals(bootId())) return { reason: 'the machine was started anew' };
  if (bytes.toString('hex', HEADER.machineId, HEADER.machineId + 16) !== machineId)
    return { reason: 'it was the trace of another machine' };
  if (stage === STAGE.lost) return { reason: 'continuity had been lost before the restart' };
  const asleep = bytes.readDoubleLE(HEADER.asleep);
  if (hasSlept(asleep)) return { reason: 'the machine slept or hibernated' };
  const cpus = number(HEADER.cpus);
  const subBufferBytes = number(HEADER.subBuffer);
  if (length !== stateBytes(cpus, subBufferBytes)) return { reason: 'the tracking memory is cut off' };
  return new Memory(folder, state, { machineId, cpus, subBufferBytes, kilobytes: readText(bytes, HEADER.kilobytes), asleep });
};
