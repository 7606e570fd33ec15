import type { MachineHistory } from './history.ts';
import { notYet } from './vault.ts';

/** Something wrong in the vault, named. */
export interface Finding {
  /** The name of the object. */
  readonly object: string;
  /** What is wrong, in one clause. */
  readonly why: string;
  /** The disk and its bytes concerned, where they can be told. */
  readonly diskId?: string;
  readonly extent?: { readonly offset: number; readonly length: number };
}

export interface CheckOptions {
  /** Called after each slot. */
  readonly onProgress?: (slotsDone: number, slots: number) => void;
}

export interface CheckReport {
  readonly slots: number;
  readonly orphans: number;
  readonly frames: number;
  /** Bytes of objects read. */
  readonly bytes: number;
  readonly findings: readonly Finding[];
}

/** Reads every slot of the machine in full and checks links, tags, frames and digests. */
export const checkMachine = async (history: MachineHistory, _options: CheckOptions = {}): Promise<CheckReport> =>
  notYet(history.machine.id);
