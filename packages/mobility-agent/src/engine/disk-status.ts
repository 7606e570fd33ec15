import { DiskPhase } from '@holdfast/protocol';
import type { RegisteredDisk } from '../disks/disk-registry.ts';
import type { HrlHead } from '../hrl/hrl.ts';
import type { DiskStatus, Problem } from './engine.ts';
import type { MachineCapture } from './machine-capture.ts';

export interface DiskView {
  /** Undefined when nothing is captured now. */
  readonly capture: Pick<MachineCapture, 'resyncs' | 'missing'> | undefined;
  readonly head: HrlHead | undefined;
  readonly isProtected: boolean;
  /** It had a complete state in the vault. */
  readonly wasCopied: boolean;
  /** The log is full: changes are remembered only. */
  readonly isFull: boolean;
  /** Copies are to rest. */
  readonly isPaused: boolean;
  /** What is wrong with the capture as a whole. */
  readonly problem: Problem | undefined;
}

const phaseOf = (id: string, { capture, head, isProtected, wasCopied, isFull, problem }: DiskView): DiskPhase => {
  if (!isProtected) return DiskPhase.UNPROTECTED;
  if (problem !== undefined || capture?.missing.has(id) === true) return DiskPhase.FAILED;
  if (capture?.resyncs.has(id) === true || (wasCopied && head?.open === true)) return DiskPhase.RESYNCHRONIZING;
  if (head === undefined || head.open) return DiskPhase.COPYING;
  return isFull || (capture !== undefined && capture.missing.size > 0) ? DiskPhase.TRACKING : DiskPhase.REPLICATING;
};

const problemOf = (id: string, { capture, isProtected, isFull, problem }: DiskView): Problem | undefined => {
  if (!isProtected) return undefined;
  if (problem !== undefined) return problem;
  const missing = capture?.missing.get(id);
  if (missing !== undefined) return { code: missing.code, text: missing.message };
  const reason = capture?.resyncs.get(id);
  if (reason !== undefined)
    return { code: 'CONTINUITY_LOST', text: `It is compared with the vault, and there are no points until that is over: ${reason}` };
  const other = [...(capture?.missing.values() ?? [])][0];
  if (other !== undefined) return { code: other.code, text: `There are no points while another disk is missing: ${other.message}` };
  if (isFull)
    return { code: 'NO_SPACE', text: "The agent's log is full: changes are remembered, points are made again when the vault takes more" };
  return undefined;
};

const copiedOf = (id: string, size: number, { capture, head, isProtected }: DiskView): number => {
  if (!isProtected || head === undefined) return 0;
  if (head.open) return head.coveredThrough;
  // The newest epoch is of the generation that ended.
  return capture?.resyncs.has(id) === true ? 0 : size;
};

const COPYING: ReadonlySet<DiskPhase> = new Set([DiskPhase.COPYING, DiskPhase.RESYNCHRONIZING]);

export const diskStatus = ({ id, path, size }: RegisteredDisk, view: DiskView): DiskStatus => {
  const phase = phaseOf(id, view);
  return {
    id,
    path,
    size,
    phase,
    copiedBytes: copiedOf(id, size, view),
    paused: view.isPaused && COPYING.has(phase),
    problem: problemOf(id, view),
  };
};
