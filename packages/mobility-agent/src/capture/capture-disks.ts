import type { CaptureDisk, CopyProgress } from './capture.ts';
import { grow, type Lineage, readAgain } from './lineage.ts';
import type { Convergence, RoundDisk } from './rounds.ts';
import type { ScanningSession } from './scanned-disks.ts';

const UNSEEN = 'something was written to it, and what it was is not told';

/** A disk of the capture and how far it has come. */
export interface DiskState {
  disk: CaptureDisk;
  lineage: Lineage;
  /** While the generation is open: its copy covers the disk and has caught up with the writes meanwhile, so that a cut can close it. */
  copied: boolean;
  /** It grew, or was written unseen, after it had been copied. */
  grew: boolean;
}

type Entry = readonly [index: number, state: DiskState];

/** True for a disk of which there are points: without it, or with an older state of it, another one would not be the machine. */
export const hasHistory = ({ lineage, disk }: DiskState): boolean => !lineage.open || lineage.base !== undefined || disk.wasCopied === true;

/** The disks of one capture, by their index in the trace. */
export interface CaptureDisks {
  add(index: number, disk: CaptureDisk, lineage: Lineage): void;
  remove(index: number): void;
  get(index: number): DiskState | undefined;
  indexes(): number[];
  indexOf(diskId: string): number | undefined;
  /** Those that can take part in a cut, and those that are to be copied first. */
  ready(): Entry[];
  copying(): Entry[];
  /** True while there is a copy of which some pieces were read: they are judged together, by the cut that closes it. */
  hasCopiedInPart(): boolean;
  /** Those being copied of which there are points. */
  resynchronizing(): DiskState[];
  /** Those that are not among the members of a cut. */
  without(members: readonly RoundDisk[]): DiskState[];
  /** Enlarges what grew; its new area is to be copied on top of its state. True while a disk that was complete has to be copied so. */
  takeGrowth(): boolean;
  /** Of disks that are scanned, has those read again to which something was written. True while one that was complete has to be. */
  takeUnseen(): boolean;
  /** Id of a scanned disk that is copied and to which something was written, if there is one. */
  unseen(): string | undefined;
  /** Id of a disk of which the growth has not been taken in, if there is one. */
  grown(): string | undefined;
  progress(): CopyProgress;
}

class Disks implements CaptureDisks {
  readonly #session: ScanningSession;
  readonly #convergence: Convergence;
  readonly #states = new Map<number, DiskState>();

  constructor(session: ScanningSession, convergence: Convergence) {
    this.#session = session;
    this.#convergence = convergence;
  }

  add(index: number, disk: CaptureDisk, lineage: Lineage): void {
    this.#states.set(index, { disk, lineage, copied: !lineage.open, grew: false });
    this.#convergence.add(index, disk.source, disk.device.bioBased === true);
  }

  remove(index: number): void {
    this.#states.delete(index);
    this.#convergence.remove(index);
  }

  get(index: number): DiskState | undefined {
    return this.#states.get(index);
  }

  indexes(): number[] {
    return [...this.#states.keys()];
  }

  indexOf(diskId: string): number | undefined {
    return this.indexes().find((index) => this.#states.get(index)!.disk.id === diskId);
  }

  ready(): Entry[] {
    return [...this.#states].filter(([, { copied }]) => copied);
  }

  copying(): Entry[] {
    return [...this.#states].filter(([, { copied }]) => !copied);
  }

  hasCopiedInPart(): boolean {
    return [...this.#states.values()].some(({ lineage }) => lineage.open && lineage.covered > 0);
  }

  resynchronizing(): DiskState[] {
    return this.copying()
      .map(([, state]) => state)
      .filter(hasHistory);
  }

  without(members: readonly RoundDisk[]): DiskState[] {
    const present = new Set(members.map(({ index }) => index));
    return [...this.#states].filter(([index]) => !present.has(index)).map(([, state]) => state);
  }

  takeGrowth(): boolean {
    for (const [index, state] of this.#states) {
      const { disk, lineage } = state;
      const size = this.#session.sizeOf(index);
      if (size <= disk.source.size) continue;
      this.#session.grow(index, size);
      state.disk = { ...disk, device: { ...disk.device, size }, source: disk.source.grown(size) };
      state.lineage = grow(lineage, disk.source.size, size);
      state.grew ||= state.copied;
      state.copied = false;
      this.#convergence.grow(index, state.disk.source);
    }
    return this.copying().some(([, { grew }]) => grew);
  }

  takeUnseen(): boolean {
    for (const [index, state] of this.#scanned()) {
      if (state.lineage.open && state.lineage.covered === 0) continue;
      if (this.#session.isStill(index)) continue;
      state.lineage = readAgain(state.lineage, `${UNSEEN}: ${state.disk.device.scanned}`);
      state.grew ||= state.copied;
      state.copied = false;
    }
    return this.copying().some(([, { grew }]) => grew);
  }

  unseen(): string | undefined {
    return this.#scanned().find(([index, { copied }]) => copied && !this.#session.isStill(index))?.[1].disk.id;
  }

  #scanned(): Entry[] {
    return [...this.#states].filter(([, { disk }]) => disk.device.scanned !== undefined);
  }

  grown(): string | undefined {
    return [...this.#states].find(([index, { disk }]) => this.#session.sizeOf(index) > disk.source.size)?.[1].disk.id;
  }

  progress(): CopyProgress {
    const open = [...this.#states.values()].filter(({ lineage }) => lineage.open);
    return {
      total: open.reduce((sum, { disk }) => sum + disk.source.size, 0),
      done: open.reduce((sum, { lineage }) => sum + lineage.covered, 0),
    };
  }
}

export const createCaptureDisks = (session: ScanningSession, convergence: Convergence): CaptureDisks => new Disks(session, convergence);
