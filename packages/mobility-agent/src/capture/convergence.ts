// Longer than others: what makes a cut exact is one argument over shared state, and has to be read as one.
import { BLOCK_SIZE, type BlockSet, createSparseBlockSet, type Extent, extentEnd, runExtent } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import type { WriteSink, WriteTrace } from '../trace/write-trace.ts';
import { batchesOf, readBatch } from './batches.ts';
import type { DiskSource } from './disk-source.ts';
import { abandonStaging, commitStaging, createDiskState, type DiskState } from './disk-state.ts';
import { createEventQueue } from './event-queue.ts';
import { createFlightTable, type FlightTable, type WriteInFlight } from './flight-table.ts';
import type { EndedDiscards } from './queued-discards.ts';
import { addAll, blocksOf, copyOf, sameExtents, without } from './ranges.ts';
import { createReadEnds, type ReadEnds } from './read-ends.ts';
import type { Convergence, ConvergenceOptions, RangeReading, RoundDisk, RoundResult } from './rounds.ts';
import { createSnapshotProbe } from './snapshot-probe.ts';
import { toldInPart, toldTooLate } from './untold.ts';

/*
 * Optimistic convergence: exact cuts of live disks from "which blocks were written when" alone.
 *
 * A round names an instant t, collects the blocks of all writes completed by then, and reads them. The staged data over the last published
 * cut is exactly the disk at t when every write to a staged block that was issued before that block's read ended had completed by t: then
 * no read can have seen a part of a later write. Otherwise another round is due, which reads only what completed since. Only blocks with a
 * write in flight when they were read can ever be in doubt; all others are settled and need no memory.
 */

/** Nanoseconds after which no write from before the trace can be in flight any more: twice the longest time-out of a device. */
const UNSEEN_WRITE_LIFETIME = 60e9;
/** Nanoseconds by which the event of a completion may lag behind the kernel's count of writes in flight, many times over. */
const COMPLETION_DELAY = 1e6;
/** The same (ns) for the ends of writes to disks without requests, which may have been waiting within the device, uncounted. */
const EARLY_ENDS_LAST = 1e9;
/** Looks at that count in turn. */
const IDLE_LOOKS = 16;
/** A disk that was not seen without a write in flight after so many is told of as long as it is busy: reading for a tenth of a second. */
const IDLE_SOON = 16 * IDLE_LOOKS;
/** A write in flight for so long (ns) is checked against the kernel's own count: its completion may have been missed. */
const STALE_WRITE_AGE = 2e9;
/** Reading goes on for this long (ns) at most without emptying the ring. */
const DRAIN_INTERVAL = 10e6;
/** Extents of blocks in doubt kept in mind before those that no write touches are let go. */
const UNSETTLED_LIMIT = 1_000_000;
/** Discarded blocks one cut takes in: some hundred milliseconds of work. A whole disk may be discarded in a moment. */
const DISCARD_LIMIT = 1024 * 1024;
/** Discarded blocks taken in without a look at the ring. */
const DISCARD_STEP = 32 * 1024;
/** Bytes of staged data kept in memory for one disk; what is read anew of more is packed twice. */
const STAGING_LIMIT = 8 * 1024 * 1024;
const BEGUN_UNSEEN = 'writes that began before their beginnings were told of may be in flight';
const MOVED = 'a file of the agent moved';
const SNAPSHOT_GONE =
  'the kernel gave the snapshot up while it was read: it had too little room, or a block it had to keep could not be read';
/** Bytes of a range that are handed on together while it is read, and those that may be on their way into frames meanwhile. */
const HANDED_ON = 1024 * 1024;
const UNDER_WAY = 8 * 1024 * 1024;

/** To be seen idle took long: if issues were silenced in between, each cut would wait as long. */
const isSeldomIdle = ({ bioBased, looks }: DiskState): boolean => !bioBased && looks > IDLE_SOON;

class ConvergenceImpl implements Convergence, WriteSink {
  readonly #events = createEventQueue();
  readonly sink: WriteSink = this.#events;
  readonly #trace: WriteTrace;
  readonly #check: boolean;
  readonly #yield: () => Promise<void>;
  readonly #disks = new Map<number, DiskState>();
  readonly #flights: FlightTable = createFlightTable();
  /** Writes completed after the instant of the round under way, while it is one that is judged by them. */
  #spanning: WriteInFlight[] = [];
  #inRound = false;
  #instant = Number.NEGATIVE_INFINITY;
  /** Requests are told of as they are issued. */
  #tellsIssues = true;
  /** Requests that completed. */
  #requests = 0;
  /** Reads that ended before this were judged; a write told later but issued before puts its blocks in doubt again. */
  #judged = Number.NEGATIVE_INFINITY;
  #lastDrain = 0;

  constructor(options: ConvergenceOptions) {
    this.#trace = options.trace;
    this.#check = options.checkConflicts ?? true;
    this.#yield = options.yield ?? (() => new Promise((resolve) => setImmediate(resolve)));
  }

  get instant(): number {
    return this.#instant;
  }

  get requests(): number {
    return this.#requests;
  }

  add(index: number, source: DiskSource, bioBased = false): void {
    const state = createDiskState(source, bioBased, this.#trace.now(), {
      issued: (offset, length, time) => this.issued(index, offset, length, time),
      completed: (offset, length, time, discarded) => this.completed(index, offset, length, time, discarded),
    });
    addAll(state.changes.later.read, this.#trace.dirty(index));
    if (bioBased) state.early = copyOf(this.#trace.dirty(index));
    else state.untold = this.#trace.underWay(index);
    this.#disks.set(index, state);
  }

  remove(index: number): void {
    this.#disks.get(index)?.untold?.close();
    this.#disks.delete(index);
    this.#events.forget(index);
    this.#flights.forget(index, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
  }

  grow(index: number, source: DiskSource): void {
    const state = this.#state(index);
    state.changes.grow(source.size);
    state.discarded = createSparseBlockSet(source.size);
    state.source = source;
  }

  pending(index: number): number {
    const { now, later } = this.#state(index).changes;
    return now.read.size + later.read.size;
  }

  tellIssues(): void {
    this.#tell();
    for (const state of this.#disks.values()) state.looks = 0;
  }

  silenceIssues(): void {
    if (!this.#tellsIssues || [...this.#disks.values()].some(isSeldomIdle)) return;
    this.#trace.tellIssues(false);
    this.#tellsIssues = false;
    for (const [index, state] of this.#disks) if (this.#isSilent(state)) this.#flights.forgetIssued(index);
  }

  /** From now on every write that begins is seen. Those under way began unseen, until the disk is seen without any. */
  #tell(): void {
    if (this.#tellsIssues) return;
    this.#trace.tellIssues(true);
    this.#tellsIssues = true;
    for (const [index, state] of this.#disks) {
      if (state.bioBased) continue;
      state.untold?.close();
      state.untold = this.#trace.underWay(index);
      [state.since, state.idleSince, state.hasSeenAll, state.looks] = [this.#trace.now(), Number.POSITIVE_INFINITY, false, 0];
    }
  }

  #isSilent({ bioBased }: DiskState): boolean {
    return !this.#tellsIssues && !bioBased;
  }

  issued(disk: number, offset: number, length: number, time: number): void {
    this.#refuseSealed(disk, time);
    const state = this.#disks.get(disk);
    if (state !== undefined && this.#isSilent(state)) return;
    this.#flights.issued(disk, offset, length, time);
    if (state === undefined || time > this.#judged) return;
    for (const block of blocksOf(offset, length)) state.unsettled.put(block, this.#judged);
  }

  requeued(disk: number, offset: number, length: number, time: number): void {
    this.#flights.requeued(disk, offset, length, time);
  }

  completed(disk: number, offset: number, length: number, time: number, discarded: boolean): void {
    this.#refuseSealed(disk, time);
    const state = this.#disks.get(disk);
    let issued = Number.NEGATIVE_INFINITY;
    if (state !== undefined && this.#isSilent(state)) this.#flights.ended(disk, offset, length, time);
    else issued = this.#flights.completed(disk, offset, length, time);
    if (state === undefined) return;
    if (!state.bioBased) this.#requests += 1;
    const late = time > this.#instant;
    if (discarded) state.changes.discarded(offset, length, late, (block) => state.unsettled.get(block) !== undefined);
    else {
      state.changes.written(offset, length, late);
      state.discards.written(offset, length);
    }
    if (late && this.#inRound) this.#spanning.push({ disk, offset, length, issued });
  }

  queued(disk: number, offset: number, length: number, time: number, discard: boolean): void {
    this.#disks.get(disk)?.writes.queued(offset, length, time, discard);
  }

  ended(disk: number, offset: number, length: number, time: number, discarded: boolean): void {
    this.#disks.get(disk)?.writes.ended(offset, length, time, discarded);
  }

  discardQueued(disk: number, offset: number, length: number, time: number): void {
    const state = this.#disks.get(disk);
    if (state === undefined) return;
    this.#discardsEnded(state, state.discards.giveUp(time), time);
    state.discards.queued({ offset, length }, time);
  }

  discardEnded(disk: number, length: number, time: number, success: boolean): void {
    const state = this.#disks.get(disk);
    if (state !== undefined) this.#discardsEnded(state, state.discards.ended(length, success), time);
  }

  #discardsEnded({ changes, unsettled }: DiskState, ended: EndedDiscards | undefined, time: number): void {
    if (ended === undefined) return;
    const late = time > this.#instant;
    const inDoubt = (block: number): boolean => unsettled.get(block) !== undefined || ended.isWritten(block);
    for (const { offset, length } of ended.extents) {
      if (ended.success) changes.discarded(offset, length, late, inDoubt);
      else changes.written(offset, length, late);
    }
  }

  async round(disks: readonly RoundDisk[]): Promise<RoundResult> {
    // Asked before the instant and again at the end: what belongs to the agent at both belonged to it at the instant.
    const excluded = disks.map(({ index }) => this.#state(index).source.excluded());
    this.#begin();
    let read = 0;
    try {
      this.#drain();
      for (const [at, disk] of disks.entries()) read += await this.#readFresh(disk, excluded[at]!);
      let end = this.#drain();
      let reason = this.#conflict(disks);
      if (reason === undefined) {
        // Nothing in doubt so far. What the kernel has not shown yet must be seen before the cut may count.
        end = this.#seeAll();
        for (const { index } of disks) this.#takeUnknownEnds(index, end);
        reason = this.#conflict(disks);
      } else if (this.#mayHaveSeenAll()) end = this.#seeAll();
      this.#settle(end);
      if (reason !== undefined && this.#check) return { exact: false, reason, read };
      for (const disk of disks) this.#state(disk.index).sealed = this.#check ? end : Number.NEGATIVE_INFINITY;
      return { exact: true };
    } finally {
      this.#inRound = false;
    }
  }

  async snapshotRound(disk: RoundDisk, take: () => Promise<DiskSource>): Promise<RoundResult> {
    const state = this.#state(disk.index);
    const excluded = state.source.excluded();
    this.#begin();
    // What ends meanwhile is read out of the snapshot or with the next round, and nothing is judged by it. Making one may take long.
    this.#inRound = false;
    this.#drain();
    const snapshot = await take();
    // Whatever ended before it was made, and with that before now, must be seen.
    const end = this.#trace.now();
    this.#trace.settle();
    this.#drain();
    this.#takeUnknownEnds(disk.index, end);
    if (!this.#sawAll(disk.index, state)) return { exact: false, reason: BEGUN_UNSEEN, read: 0 };
    state.sealed = end;
    this.#settle(end);
    const read = await this.#readSnapshot(disk, state, snapshot, excluded);
    if (read === undefined) return { exact: false, reason: SNAPSHOT_GONE, read: 0 };
    return sameExtents(state.excluded, state.source.excluded()) ? { exact: true } : { exact: false, reason: MOVED, read };
  }

  async readRange(disk: RoundDisk, range: Extent, how: RangeReading = {}): Promise<number> {
    let at = range.offset;
    const underWay: { readonly bytes: number; readonly done: Promise<void> }[] = [];
    let bytes = 0;
    try {
      await this.#readAsItIs(disk, async (state, excluded) => {
        this.#applyExclusions(disk, state, excluded);
        while (at < extentEnd(range)) {
          const length = Math.min(state.source.readLimit, extentEnd(range) - at);
          const milliseconds = await this.#read(disk, state, [{ offset: at, length }], how.differing?.bind(how));
          at += length;
          if (how.enough?.(length, milliseconds) === true) return;
          if (how.isFinal !== true || disk.staging.bytes < HANDED_ON) continue;
          const more = disk.staging.bytes;
          const done = disk.spill();
          done.catch(() => undefined);
          underWay.push({ bytes: more, done });
          bytes += more;
          // Frames that are made are taken on between two reads, not behind the last of them: who makes them must not run dry.
          await this.#yield();
          while (bytes > UNDER_WAY) {
            const first = underWay.shift()!;
            bytes -= first.bytes;
            await first.done;
          }
        }
      });
    } finally {
      // Whoever drops the cut after a failure finds nothing of it under way.
      await Promise.allSettled(underWay.map(({ done }) => done));
    }
    for (const { done } of underWay) await done;
    return at;
  }

  readChanges(disk: RoundDisk): Promise<void> {
    return this.#readAsItIs(disk, async (_, excluded) => void (await this.#readFresh(disk, excluded)));
  }

  readStill(index: number, range: Extent): ReadonlyMap<number, Uint8Array> {
    const state = this.#state(index);
    const { source, changes, discards } = state;
    const still = new Map<number, Uint8Array>();
    if (this.#isSilent(state)) return still;
    this.#drain();
    const { data, unreadable } = source.read(range.offset, range.length);
    for (const block of blocksOf(range.offset, range.length)) {
      const at = block * BLOCK_SIZE - range.offset;
      still.set(block, data.slice(at, Math.min(at + BLOCK_SIZE, range.length)));
    }
    // Everything that happened until now is told of before it is judged.
    this.#trace.settle();
    this.#drain();
    if (discards.pending || !this.#sawAll(index, state) || !sameExtents(state.excluded, source.excluded())) return new Map();
    const told = this.#told(index, source.size);
    const sets = [this.#trace.dirty(index), told, changes.now.read, changes.now.zero, changes.later.read, changes.later.zero];
    const inFlight = [...this.#flights.writes()].filter(({ disk }) => disk === index);
    const excluded = [...unreadable, ...state.excluded, ...inFlight];
    for (const block of still.keys()) {
      const isTouched = excluded.some(({ offset, length }) => offset < (block + 1) * BLOCK_SIZE && offset + length > block * BLOCK_SIZE);
      if (isTouched || sets.some((set) => set.has(block))) still.delete(block);
    }
    return still;
  }

  committed(disks: readonly RoundDisk[], exact: boolean): void {
    for (const { index, staging } of disks) {
      const state = this.#state(index);
      commitStaging(state, staging, this.#trace.dirty(index), this.#told(index, state.source.size));
      if (!exact) continue;
      state.unsettled.clear();
      state.published = state.sealed;
    }
  }

  abandoned(disks: readonly RoundDisk[]): void {
    for (const { index, staging } of disks) abandonStaging(this.#state(index), staging);
  }

  drain(): void {
    this.#drain();
  }

  /** Blocks of what has been told but not yet taken in. */
  #told(index: number, size: number): BlockSet {
    const told = createSparseBlockSet(size);
    for (const { disk, offset, length } of this.#events.changes()) if (disk === index) told.addBytes(offset, length);
    return told;
  }

  /** Takes in everything that happened until the time it tells, but for late events. */
  #drain(): number {
    this.#lastDrain = this.#trace.now();
    this.#trace.drain(this.#events);
    this.#events.deliver(this.#lastDrain, this);
    return this.#lastDrain;
  }

  /** Nothing is judged, nothing is sealed: the cut that makes a state of it all decides over what a write was in flight to. */
  async #readAsItIs({ index }: RoundDisk, read: (state: DiskState, excluded: readonly Extent[]) => Promise<void>): Promise<void> {
    const state = this.#state(index);
    const excluded = state.source.excluded();
    this.#begin();
    try {
      this.#drain();
      await read(state, excluded);
      this.#settle(this.#mayHaveSeenAll() ? this.#seeAll() : this.#drain());
    } finally {
      this.#inRound = false;
    }
  }

  /** Tells how many blocks it read. */
  async #readFresh(disk: RoundDisk, excluded: readonly Extent[]): Promise<number> {
    const state = this.#state(disk.index);
    this.#applyExclusions(disk, state, excluded);
    const taken = state.changes.take(DISCARD_LIMIT);
    state.leftOver = state.changes.now.zero.size;
    const { size, readLimit } = state.source;
    try {
      for (const run of taken.zero.runs(DISCARD_STEP)) {
        disk.staging.putZero(runExtent(run, size));
        for (let block = run.first; block < run.first + run.count; block += 1) state.unsettled.delete(block);
        await this.#lookUp(state);
      }
      addAll(state.discarded, taken.zero);
      const extents = Array.from(taken.read.runs(readLimit / BLOCK_SIZE), (run) => runExtent(run, size));
      await this.#read(disk, state, extents);
    } catch (reason) {
      state.changes.putBack(taken);
      throw reason;
    }
    return taken.read.size;
  }

  /**
   * Stages what a snapshot holds of all that changed until it was there, and of what may have been under way. Tells how many blocks; undefined
   * when there is no snapshot any more. A bad block of the disk is told as in every cut.
   */
  async #readSnapshot(disk: RoundDisk, state: DiskState, snapshot: DiskSource, excluded: readonly Extent[]): Promise<number | undefined> {
    const { staging } = disk;
    this.#applyExclusions(disk, state, excluded);
    const { later } = state.changes;
    const blocks = copyOf(later.read);
    // Whether these were discarded before it was there or afterwards, it tells; of more of them nobody expects anything.
    if (later.zero.size <= DISCARD_STEP) addAll(blocks, later.zero);
    // A device may split a write and hold back its rest while a snapshot is made.
    for (const { offset, length } of state.writes.writes()) blocks.addBytes(offset, length);
    for (const write of this.#flights.writes()) if (write.disk === disk.index) blocks.addBytes(write.offset, write.length);
    if (state.early !== undefined) addAll(blocks, state.early);
    const taken = state.changes.take(DISCARD_LIMIT);
    addAll(blocks, taken.read);
    try {
      for (const run of taken.zero.runs(DISCARD_STEP)) staging.putZero(runExtent(run, snapshot.size));
      addAll(state.discarded, taken.zero);
      const extents = Array.from(blocks.runs(snapshot.readLimit / BLOCK_SIZE), (run) => runExtent(run, snapshot.size));
      const probe = createSnapshotProbe(snapshot);
      for (const batch of batchesOf(extents, snapshot, state.excluded)) {
        let hasBad = false;
        for (const [index, { data, unreadable }] of readBatch(snapshot, batch).entries()) {
          const { offset, length } = batch[index]!;
          staging.put(offset, data);
          for (const hole of unreadable) staging.putUnreadable(hole);
          if (unreadable.length > 0) hasBad = true;
          else probe.sawGood(offset);
          const first = Math.floor(offset / BLOCK_SIZE);
          state.discarded.deleteRun(first, Math.ceil((offset + length) / BLOCK_SIZE) - first);
        }
        if (hasBad && !probe.isThere()) {
          state.changes.putBack(taken);
          return undefined;
        }
        if (staging.bytes > STAGING_LIMIT) await disk.spill();
        await this.#lookUp(state);
      }
      // Where its room ran out during the last read, that may have given what was written since, and no error: only the next one tells.
      if (extents.length > 0 && !probe.isThere()) {
        state.changes.putBack(taken);
        return undefined;
      }
    } catch (reason) {
      state.changes.putBack(taken);
      throw reason;
    }
    return blocks.size;
  }

  #state(index: number): DiskState {
    const state = this.#disks.get(index);
    if (state === undefined)
      throw new HoldfastError('INTERNAL', { thing: `disk ${index}`, why: 'it takes no part in the capture', remedy: 'report this' });
    return state;
  }

  /** A new instant. All completions told so far are earlier than it. */
  #begin(): void {
    this.#tell();
    for (const [index, state] of this.#disks) {
      this.#lookIdle(index, state);
      state.changes.advance();
      // What was exact and is not published after all binds nobody.
      state.sealed = state.published;
    }
    this.#spanning = [];
    this.#inRound = true;
    this.#instant = this.#trace.now();
    this.#flights.forgetUnmatched(this.#instant - STALE_WRITE_AGE);
  }

  /** Tells how many milliseconds the disk took. */
  async #read(
    { staging, spill }: RoundDisk,
    state: DiskState,
    extents: readonly Extent[],
    differing?: RangeReading['differing'],
  ): Promise<number> {
    let milliseconds = 0;
    for (const batch of batchesOf(extents, state.source, state.excluded)) {
      const began = performance.now();
      const reads = readBatch(state.source, batch);
      milliseconds += performance.now() - began;
      const end = this.#trace.now();
      for (let index = 0; index < batch.length; index += 1) {
        const part = batch[index]!;
        const { data, unreadable } = reads[index]!;
        if (differing === undefined) staging.put(part.offset, data);
        else {
          const differences = differing(part.offset, data);
          for (const { offset, length } of differences)
            staging.put(offset, data.subarray(offset - part.offset, offset - part.offset + length));
          for (const same of differences.length === 0 ? [part] : without(part, differences)) staging.putSame(same);
        }
        for (const hole of unreadable) staging.putUnreadable(hole);
        const first = Math.floor(part.offset / BLOCK_SIZE);
        const count = Math.ceil((part.offset + part.length) / BLOCK_SIZE) - first;
        state.unsettled.read(first, count, end);
        if (state.discarded.size > 0) state.discarded.deleteRun(first, count);
      }
      if (staging.bytes > STAGING_LIMIT) await spill();
      await this.#lookUp(state);
    }
    return milliseconds;
  }

  /** Empties the rings and lets others work when that is due. */
  async #lookUp({ unsettled }: DiskState): Promise<void> {
    if (this.#trace.now() - this.#lastDrain < DRAIN_INTERVAL) return;
    const judged = this.#drain();
    for (const [index, state] of this.#disks) if (!state.hasSeenAll) this.#lookIdle(index, state);
    if (unsettled.count > UNSETTLED_LIMIT) this.#settle(judged);
    await this.#yield();
  }

  /** Why the staged data of these disks might not be the disks at the instant; undefined when it is. */
  #conflict(disks: readonly RoundDisk[]): string | undefined {
    const members = new Set(disks.map((disk) => disk.index));
    for (const disk of disks) {
      const state = this.#state(disk.index);
      const { read, zero } = state.changes.now;
      if (read.size > 0 || zero.size > state.leftOver) return 'a completion was told late';
      if (!this.#sawAll(disk.index, state)) return BEGUN_UNSEEN;
      if (!sameExtents(state.excluded, state.source.excluded())) return MOVED;
    }
    for (const write of this.#writesInDoubt()) {
      if (!members.has(write.disk)) continue;
      const { unsettled } = this.#state(write.disk);
      for (const block of blocksOf(write.offset, write.length)) {
        const readEnd = unsettled.get(block);
        if (readEnd !== undefined && write.issued <= readEnd) return `block ${block} was being written while it was read`;
      }
    }
    return undefined;
  }

  *#writesInDoubt(): Iterable<WriteInFlight> {
    yield* this.#spanning;
    for (const write of this.#flights.writes()) if (this.#disks.has(write.disk)) yield write;
  }

  /** Keeps in mind only the blocks that a write known to be under way touches, or all, as long as one may be that began unseen. */
  #settle(judged: number): void {
    const kept = new Map<DiskState, ReadEnds>();
    let stale: number | undefined;
    for (const write of this.#writesInDoubt()) {
      const state = this.#state(write.disk);
      const blocks = kept.get(state) ?? createReadEnds();
      kept.set(state, blocks);
      for (const block of blocksOf(write.offset, write.length)) {
        const readEnd = state.unsettled.get(block);
        if (readEnd !== undefined) blocks.put(block, readEnd);
      }
      if (write.issued > Number.NEGATIVE_INFINITY && write.issued < this.#instant - STALE_WRITE_AGE) stale = write.disk;
    }
    for (const state of this.#disks.values()) if (state.hasSeenAll) state.unsettled = kept.get(state) ?? createReadEnds();
    this.#judged = judged;
    if (stale !== undefined) this.#forgetStale(stale);
  }

  /** A write whose completion never came would put its blocks in doubt for ever: when the disk is idle it is over. */
  #forgetStale(index: number): void {
    const before = this.#trace.now();
    if (!this.#trace.idle(index)) return;
    const { oldest } = this.#state(index).writes;
    // A write to a disk without requests is never forgotten. It may be waiting within the device, but not for ever.
    if (before - oldest > UNSEEN_WRITE_LIFETIME) throw toldInPart(index, 'of a write to it, and never of its end');
    if (oldest < Number.POSITIVE_INFINITY) return;
    this.#trace.settle();
    this.#drain();
    this.#flights.forget(index, before, before - UNSEEN_WRITE_LIFETIME);
  }

  /** A busy disk has nothing under way for moments only, if ever; but what was under way at one time is over soon. */
  #lookIdle(index: number, state: DiskState): void {
    const most = state.bioBased ? 1 : IDLE_LOOKS;
    for (let looks = 0; looks < most && state.idleSince > this.#trace.now(); looks += 1) {
      state.looks += 1;
      if (!this.#trace.idle(index) && state.untold?.isOver() !== true) continue;
      state.idleSince = this.#trace.now();
      state.untold?.close();
      state.untold = undefined;
    }
  }

  #sawAll(index: number, state: DiskState): boolean {
    this.#lookIdle(index, state);
    const now = this.#trace.now();
    // The kernel counts a write as over a little before it tells of its completion.
    return now > Math.min(state.idleSince + COMPLETION_DELAY, state.since + UNSEEN_WRITE_LIFETIME);
  }

  #mayHaveSeenAll(): boolean {
    return [...this.#disks].some(([index, state]) => !state.hasSeenAll && this.#sawAll(index, state));
  }

  /** Takes in everything that happened until the time it tells, late events too: with them the ends of all that had begun unseen. */
  #seeAll(): number {
    const over = [...this.#disks].filter(([index, state]) => !state.hasSeenAll && this.#sawAll(index, state));
    const end = this.#trace.now();
    this.#trace.settle();
    this.#drain();
    for (const [, state] of over) state.hasSeenAll = true;
    return end;
  }

  /** Takes in what ended of writes to disks without requests, all told until `end`, without having begun. */
  #takeUnknownEnds(index: number, end: number): void {
    const state = this.#state(index);
    const { early, writes, changes } = state;
    for (const { offset, length } of writes.takeUnknown(end)) {
      const isEarly = early !== undefined && [...blocksOf(offset, length)].every((block) => early.has(block));
      if (!isEarly) throw toldInPart(index, `of the end of a write to it (at byte ${offset}), and not of its beginning`);
      // It was queued before the trace was gone on with: then all of it was dirty, and may have changed since it was read.
      addAll(changes.now.read, early);
    }
    if (end > Math.min(state.idleSince + EARLY_ENDS_LAST, state.since + UNSEEN_WRITE_LIFETIME)) state.early = undefined;
  }

  /** The agent's own files read as zeroes; what is no longer theirs is read like everything else. */
  #applyExclusions({ index, staging }: RoundDisk, state: DiskState, excluded: readonly Extent[]): void {
    if (sameExtents(state.excluded, excluded)) return;
    for (const left of state.excluded) for (const part of without(left, excluded)) state.changes.written(part.offset, part.length, false);
    for (const extent of excluded) {
      staging.putZero(extent);
      this.#trace.dirty(index).addBytes(extent.offset, extent.length);
    }
    state.excluded = excluded;
  }

  #refuseSealed(disk: number, time: number): void {
    const state = this.#disks.get(disk);
    if (state === undefined || time > state.sealed) return;
    throw toldTooLate(disk, this.#trace.now() - time);
  }
}

export const createConvergence = (options: ConvergenceOptions): Convergence => new ConvergenceImpl(options);
