import { BLOCK_SIZE, type BlockSet, createSparseBlockSet, type Extent } from '@holdfast/block';
import type { UnderWay } from '../trace/write-trace.ts';
import { type Changes, createChanges } from './changes.ts';
import type { DiskSource } from './disk-source.ts';
import { createQueuedDiscards, type QueuedDiscards } from './queued-discards.ts';
import { createQueuedWrites, type QueuedWrites, type WholeWrites } from './queued-writes.ts';
import { addAll, without } from './ranges.ts';
import { createReadEnds, type ReadEnds } from './read-ends.ts';
import type { Staging } from './staging.ts';

/** What convergence knows of one disk. */
export interface DiskState {
  source: DiskSource;
  /** What completed by the instant of the round, and what after it, and is not yet staged. */
  readonly changes: Changes;
  readonly discards: QueuedDiscards;
  /** Of a disk without requests, what is under way. */
  readonly writes: QueuedWrites;
  /**
   * Of a disk without requests, what was dirty when it was added, as long as writes from before may end: all of such a write lies in it, and
   * its end does not say where.
   */
  early: BlockSet | undefined;
  /** Blocks staged as zeroes because they were discarded. */
  discarded: BlockSet;
  /** Discarded blocks that the cut being made leaves to a later one. */
  leftOver: number;
  /** When the read of a staged block ended, for the blocks a write may still put in doubt. */
  unsettled: ReadEnds;
  excluded: readonly Extent[];
  /** It is handled without requests: what is queued is told of always. */
  readonly bioBased: boolean;
  /** Since when every write is told of as it begins, */
  since: number;
  /** and when the disk was first seen without a write in flight after that: those that began untold are over. */
  idleSince: number;
  /** Those; undefined when they are over, or nobody watches them. */
  untold: UnderWay | undefined;
  /** They are over, and so much was waited since that all of their ends are told of. */
  hasSeenAll: boolean;
  /** How often that was looked for since then, or since the disk was last so calm that nobody minds being told. */
  looks: number;
  /** Everything up to this time was seen when the newest cut was found to be exact, */
  sealed: number;
  /** and when the last one was published. */
  published: number;
}

/** A disk of which nothing is known; `since` is now. `whole` is told of the writes of a disk without requests. */
export const createDiskState = (source: DiskSource, bioBased: boolean, since: number, whole: WholeWrites): DiskState => {
  const state: DiskState = {
    source,
    changes: createChanges(source.size),
    discards: createQueuedDiscards(() => state.source.size),
    writes: createQueuedWrites(whole, since),
    early: undefined,
    discarded: createSparseBlockSet(source.size),
    leftOver: 0,
    unsettled: createReadEnds(),
    excluded: [],
    bioBased,
    since,
    idleSince: Number.POSITIVE_INFINITY,
    untold: undefined,
    hasSeenAll: bioBased,
    looks: 0,
    sealed: Number.NEGATIVE_INFINITY,
    published: Number.NEGATIVE_INFINITY,
  };
  return state;
};

/** What is staged is committed. Clears it in `dirty`, but for what changed since; `told`: blocks of what was told and not yet taken in; changed. */
export const commitStaging = (state: DiskState, staging: Staging, dirty: BlockSet, told: BlockSet): void => {
  const { changes, excluded, early, writes } = state;
  // What is under way to a disk without requests stays dirty: its end does not say where all of it is, should it come after a restart.
  for (const { offset, length } of writes.writes()) told.addBytes(offset, length);
  const untold = createSparseBlockSet(state.source.size);
  // Where nothing was sent, an earlier piece may have told something else: zeroes of a file of the agent that is gone. It is read again.
  for (const { first, count } of staging.same.runs())
    for (let block = first; block < first + count; block += 1) if (changes.now.read.has(block)) untold.add(block);
  const changedSince = [
    changes.later.read,
    changes.later.zero,
    told,
    staging.unreadable,
    untold,
    ...(early === undefined ? [] : [early]),
  ].filter(({ size }) => size > 0);
  for (const { first, count } of staging.blocks.runs()) {
    if (untold.size === 0) changes.settle(first, count);
    else for (let block = first; block < first + count; block += 1) if (!untold.has(block)) changes.settle(block, 1);
    // What is excluded stays dirty: after a restart nobody knows that it was, and it may hold something else by then.
    for (const { offset, length } of without({ offset: first * BLOCK_SIZE, length: count * BLOCK_SIZE }, excluded)) {
      const from = Math.floor(offset / BLOCK_SIZE);
      const end = Math.ceil((offset + length) / BLOCK_SIZE);
      if (changedSince.length === 0) dirty.deleteRun(from, end - from);
      else for (let block = from; block < end; block += 1) if (!changedSince.some((set) => set.has(block))) dirty.delete(block);
    }
  }
  state.discarded.clear();
  // What could not be read is tried again with every cut, so that each says what is missing in it.
  addAll(changes.now.read, staging.unreadable);
};

/** What is staged is dropped: it has to be staged anew. */
export const abandonStaging = (state: DiskState, staging: Staging): void => {
  const { changes, discarded } = state;
  for (const { first, count } of staging.blocks.runs()) {
    for (let block = first; block < first + count; block += 1) if (!discarded.has(block)) changes.now.read.add(block);
  }
  changes.putBack({ read: createSparseBlockSet(state.source.size), zero: discarded });
  discarded.clear();
  // Exclusions that were staged as zeroes are gone with the staging: the next cut stages them again, or reads what has left them.
  for (const { offset, length } of state.excluded) changes.written(offset, length, false);
  state.excluded = [];
  state.sealed = state.published;
};
