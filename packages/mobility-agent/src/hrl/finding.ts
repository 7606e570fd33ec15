import type { LogPosition } from './control-slot.ts';

interface FoundHead {
  readonly diskId: string;
  readonly generationId: string;
  readonly number: number;
  readonly open: boolean;
  readonly ended: boolean;
  readonly diskSize: number;
}

/** One thing that is in a log: first its state, then the newest epochs, then the cuts with their epochs. What is damaged stands where it was met. */
export type HrlFinding =
  | { readonly kind: 'no log' }
  | {
      readonly kind: 'log';
      readonly logId: string;
      readonly machineId: string;
      readonly sequence: number;
      readonly bootId: string | undefined;
      readonly hotPath: string | undefined;
      readonly tail: LogPosition | undefined;
      readonly end: LogPosition | undefined;
      readonly pointId: string | undefined;
      readonly manifestId: string | undefined;
    }
  /** The newest committed epoch of a disk, and the newest freed one. */
  | ({ readonly kind: 'head' | 'freed' } & FoundHead)
  /** A file that looks like a segment and is none. */
  | { readonly kind: 'no segment'; readonly path: string }
  | {
      readonly kind: 'cut';
      readonly cutId: string;
      /** False for one that was being committed. */
      readonly committed: boolean;
      readonly bytes: number;
      readonly pointId: string | undefined;
      readonly start: LogPosition;
    }
  | {
      readonly kind: 'epoch';
      readonly cutId: string;
      readonly diskId: string;
      readonly generationId: string;
      readonly number: number;
      readonly open: boolean;
      readonly frames: number;
      readonly dataBytes: number;
      readonly zeroBytes: number;
      readonly unreadableBytes: number;
    }
  | { readonly kind: 'damage'; readonly cutId?: string; readonly thing: string; readonly why: string };
