import type { TracedDevice } from './device.ts';
import { DISK, DISK_LIMIT, DISK_STAGE, diskOffset, TEXT_BYTES, TOLD } from './memory-layout.ts';

export type DiskStage = keyof typeof DISK_STAGE;

/** What the table keeps of a disk to know it again. */
export type KnownDisk = Pick<
  TracedDevice,
  'major' | 'minor' | 'size' | 'diskSequence' | 'serial' | 'gathersDiscards' | 'bioBased' | 'passThrough'
>;

/** The traced disks, in the tracking memory. An index belongs to one disk until it is freed. */
export interface DiskTable {
  stage(index: number): DiskStage;
  setStage(index: number, stage: DiskStage): void;
  /** Writes the disk into a free entry and leaves that in stage `changing`. */
  fill(index: number, disk: KnownDisk): void;
  disk(index: number): KnownDisk;
  setSize(index: number, size: number): void;
  baseline(index: number): number;
  setBaseline(index: number, sectors: number): void;
  /** Indexes of all entries in one of these stages. */
  indexes(...stages: DiskStage[]): number[];
}

const PASS_THROUGH: readonly TracedDevice['passThrough'][] = [undefined, 'scsi', 'nvme'];

const toldAs = ({ gathersDiscards, bioBased }: KnownDisk): number => {
  if (bioBased === true) return TOLD.bios;
  return gathersDiscards === true ? TOLD.gatheringRequests : TOLD.requests;
};

const STAGE_NAMES = Object.keys(DISK_STAGE) as DiskStage[];

class Table implements DiskTable {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  stage(index: number): DiskStage {
    return STAGE_NAMES[this.#view.getUint32(diskOffset(index) + DISK.stage, true)] ?? 'lost';
  }

  setStage(index: number, stage: DiskStage): void {
    this.#view.setUint32(diskOffset(index) + DISK.stage, DISK_STAGE[stage], true);
  }

  fill(index: number, disk: KnownDisk): void {
    const at = diskOffset(index);
    this.#view.setUint32(at + DISK.major, disk.major, true);
    this.#view.setUint32(at + DISK.minor, disk.minor, true);
    this.#view.setUint32(at + DISK.told, toldAs(disk), true);
    this.#view.setUint32(at + DISK.passThrough, PASS_THROUGH.indexOf(disk.passThrough), true);
    this.#view.setFloat64(at + DISK.size, disk.size, true);
    this.#view.setFloat64(at + DISK.sequence, disk.diskSequence, true);
    this.#view.setFloat64(at + DISK.baseline, 0, true);
    writeText(this.#bytes, at + DISK.serial, disk.serial);
    this.setStage(index, 'changing');
  }

  disk(index: number): KnownDisk {
    const at = diskOffset(index);
    return {
      major: this.#view.getUint32(at + DISK.major, true),
      minor: this.#view.getUint32(at + DISK.minor, true),
      size: this.#view.getFloat64(at + DISK.size, true),
      diskSequence: this.#view.getFloat64(at + DISK.sequence, true),
      serial: readText(this.#bytes, at + DISK.serial),
      gathersDiscards: this.#view.getUint32(at + DISK.told, true) === TOLD.gatheringRequests,
      bioBased: this.#view.getUint32(at + DISK.told, true) === TOLD.bios,
      passThrough: PASS_THROUGH[this.#view.getUint32(at + DISK.passThrough, true)],
    };
  }

  setSize(index: number, size: number): void {
    this.#view.setFloat64(diskOffset(index) + DISK.size, size, true);
  }

  baseline(index: number): number {
    return this.#view.getFloat64(diskOffset(index) + DISK.baseline, true);
  }

  setBaseline(index: number, sectors: number): void {
    this.#view.setFloat64(diskOffset(index) + DISK.baseline, sectors, true);
  }

  indexes(...stages: DiskStage[]): number[] {
    return Array.from({ length: DISK_LIMIT }, (_, index) => index).filter((index) => stages.includes(this.stage(index)));
  }
}

/** As much of a text as an entry keeps. */
export const cutText = (text: string): string => {
  const field = new Uint8Array(TEXT_BYTES);
  writeText(field, 0, text);
  return readText(field, 0);
};

/** Writes at most 64 bytes of UTF-8, the rest zeroes. */
export const writeText = (bytes: Uint8Array, offset: number, text: string): void => {
  const field = bytes.subarray(offset, offset + TEXT_BYTES);
  field.fill(0);
  new TextEncoder().encodeInto(text, field);
};

export const readText = (bytes: Uint8Array, offset: number): string => {
  const field = bytes.subarray(offset, offset + TEXT_BYTES);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
};

/** The table in a mapped `state` file. */
export const createDiskTable = (state: Uint8Array): DiskTable => new Table(state);
