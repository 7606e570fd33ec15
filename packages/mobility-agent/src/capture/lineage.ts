import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import { type Generation, GenerationReason, GenerationSchema, idBytes, newId, Origin } from '@holdfast/protocol';
import type { DiskStateRef, HrlHead } from '../hrl/hrl.ts';
import type { Continuity } from '../trace/trace.ts';

/** Where a disk stands in its history, and what its next epoch is. */
export interface Lineage {
  readonly diskId: string;
  readonly generationId: string;
  /** Number of the next epoch. */
  readonly next: number;
  /** True while the generation has pieces only. */
  readonly open: boolean;
  /** While open: the copy goes on at this byte. */
  readonly covered: number;
  /** Pieces of this generation may have told of what lies before this byte, and behind `covered`, already. */
  readonly told: number;
  /** While open: the state the generation builds on; undefined in a first copy. */
  readonly base: DiskStateRef | undefined;
  /** To be announced with the next epoch: the generation begins with it. */
  readonly generation: Generation | undefined;
}

/** A disk that became shorter is another one, or was damaged: nothing goes on with it. */
export const refuseShrunk = (diskId: string, diskSize: number, head: HrlHead | undefined): void => {
  if (head === undefined || diskSize >= head.diskSize) return;
  throw new HoldfastError('DEVICE_CHANGED', {
    thing: `disk ${diskId}`,
    why: `it has ${diskSize} bytes where its newest epoch has ${head.diskSize}`,
    remedy: 'attach the disk that was protected, or protect this one as a new disk',
  });
};

/**
 * Where a disk goes on after it was attached: within its generation when not one write can be missing, else with a new one on top of the
 * newest state. Without any epoch it is the first copy.
 */
export const resumeLineage = (diskId: string, diskSize: number, head: HrlHead | undefined, continuity: Continuity): Lineage => {
  if (head === undefined) return begin(diskId, GenerationReason.FIRST_COPY, undefined, '');
  refuseShrunk(diskId, diskSize, head);
  if (continuity.kind !== 'continuous' || head.ended) {
    return begin(diskId, GenerationReason.RESYNCHRONIZATION, head.state, reasonOf(continuity));
  }
  const { generationId, number, open, coveredThrough } = head;
  const covered = open ? coveredThrough : head.diskSize;
  const base = open ? head.state : undefined;
  const lineage = { diskId, generationId, next: number + 1, open, covered, told: 0, base, generation: undefined };
  return diskSize === head.diskSize ? lineage : grow(lineage, head.diskSize, diskSize);
};

/**
 * The lineage of a disk that grew from `from` to `to` bytes and of which every other write is known: a copy of what lies behind the old end
 * on top of its state. A copy under way simply goes on.
 */
export const grow = (lineage: Lineage, from: number, to: number): Lineage => {
  // The last block may have been a short one.
  const covered = Math.floor(from / BLOCK_SIZE) * BLOCK_SIZE;
  if (lineage.open) return { ...lineage, covered: Math.min(lineage.covered, covered), told: Math.max(lineage.told, lineage.covered) };
  const state = { generationId: lineage.generationId, number: lineage.next - 1 };
  const grown = begin(lineage.diskId, GenerationReason.RESYNCHRONIZATION, state, `the disk grew from ${from} to ${to} bytes`);
  return { ...grown, covered };
};

/**
 * The lineage of a disk to which something was written of which nobody told: all of it is read again. A first copy begins at its beginning, what
 * it has told stays; anything else is compared with the newest state there was.
 */
export const readAgain = (lineage: Lineage, why: string): Lineage => {
  // Of a generation that is still to be announced nothing was told.
  if (lineage.generation !== undefined) return { ...lineage, covered: 0 };
  if (lineage.open && lineage.base === undefined) return { ...lineage, covered: 0, told: Math.max(lineage.told, lineage.covered) };
  const state = lineage.open ? lineage.base : { generationId: lineage.generationId, number: lineage.next - 1 };
  return begin(lineage.diskId, GenerationReason.RESYNCHRONIZATION, state, why);
};

const reasonOf = (continuity: Continuity): string => {
  if (continuity.kind === 'lost') return continuity.reason;
  if (continuity.kind === 'new')
    return 'the kernel no longer holds the trace of its writes: the machine was restarted or the trace removed';
  return 'the machine was restarted and cuts that were made before it may be lost';
};

/** Pieces of a copy that was not completed are left out of `base`: they never were a state. */
const begin = (diskId: string, reason: GenerationReason, base: DiskStateRef | undefined, detail: string): Lineage => {
  const generationId = newId();
  const parent = base === undefined ? {} : { parent: { generationId: idBytes(base.generationId), number: BigInt(base.number) } };
  const generation = create(GenerationSchema, {
    id: idBytes(generationId),
    diskId: idBytes(diskId),
    reason,
    origin: Origin.SOURCE,
    detail,
    ...parent,
  });
  return { diskId, generationId, next: 0, open: true, covered: 0, told: 0, base, generation };
};

/** The lineage after an epoch was committed. */
export const advance = (lineage: Lineage, epoch: { readonly open: boolean; readonly covered: number }): Lineage => ({
  ...lineage,
  next: lineage.next + 1,
  open: epoch.open,
  covered: epoch.covered,
  base: epoch.open ? lineage.base : undefined,
  generation: undefined,
});
