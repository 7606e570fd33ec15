import { HoldfastError } from '@holdfast/errors';
import { type Cut, type CutContent, idText } from '@holdfast/protocol';
import type { ControlFile } from './control-file.ts';
import { type ControlState, HEAD_LIMIT } from './control-slot.ts';
import { createCutWriter, type LogCutWriter } from './cut-writer.ts';
import { misuse } from './damage.ts';
import type { HrlDirectory } from './files.ts';
import type { Hrl, HrlCutWriter, HrlHead, HrlManifest, HrlRecovery } from './hrl.ts';
import { withEpochsOf } from './lineage-check.ts';
import { type LoggedCut, readPayloadLater } from './log-reader.ts';
import { createRecentFrames, type RecentFrames } from './recent-frames.ts';
import { type RecoveredLog, stateAfter } from './recover.ts';
import type { SegmentPool } from './segment-pool.ts';
import { createSegmentedLog, type SegmentedLog } from './segmented-log.ts';

export interface StoredHrlOptions extends RecoveredLog {
  readonly pool: SegmentPool;
  /** The first is written at every step, the others whenever the log moves on to another segment or a generation begins. */
  readonly controls: readonly ControlFile[];
  readonly directories: readonly HrlDirectory[];
  readonly quotaBytes: number;
}

/** A committed cut until it is freed. */
class CommittedCut implements CutContent {
  readonly cut: Cut;
  readonly handsOver = true;
  readonly logged: LoggedCut;
  /** Why its frames cannot be read any more. */
  gone: string | undefined;
  readonly #recent: RecentFrames;
  readonly #reads: Set<Promise<unknown>>;

  constructor(logged: LoggedCut, recent: RecentFrames, reads: Set<Promise<unknown>>) {
    this.cut = logged.cut;
    this.logged = logged;
    this.#recent = recent;
    this.#reads = reads;
  }

  async *frames(index: number): AsyncGenerator<Uint8Array> {
    for (const place of this.logged.frames[index] ?? []) {
      this.#checkHere();
      const recent = this.#recent.take(place);
      if (recent !== undefined) {
        yield recent;
        continue;
      }
      const read = readPayloadLater(place);
      this.#reads.add(read);
      try {
        yield await read;
      } catch (reason) {
        this.#checkHere();
        throw reason;
      } finally {
        this.#reads.delete(read);
      }
    }
  }

  #checkHere(): void {
    if (this.gone !== undefined) throw misuse(`cut ${idText(this.cut.id)} cannot be read: ${this.gone}`);
  }
}

class StoredHrl implements Hrl {
  readonly recovery: HrlRecovery;
  readonly quotaBytes: number;
  readonly #options: StoredHrlOptions;
  readonly #log: SegmentedLog;
  #state: ControlState;
  #cuts: CommittedCut[];
  #writer: LogCutWriter | undefined;
  /** Set when a write left it open what counts: only opening anew can tell. */
  #broken: unknown;
  readonly #recent = createRecentFrames();
  readonly #reads = new Set<Promise<unknown>>();

  constructor(options: StoredHrlOptions) {
    this.#options = options;
    this.recovery = options.recovery;
    this.quotaBytes = options.quotaBytes;
    this.#state = options.state;
    this.#log = createSegmentedLog(options.pool, options.segments, options.state.end);
    this.#cuts = options.cuts.map((cut) => new CommittedCut(cut, this.#recent, this.#reads));
    options.pool.prepare();
  }

  begin(): HrlCutWriter {
    this.#checkUsable();
    if (this.#writer !== undefined) throw misuse('a cut is being written already');
    const start = this.#log.start();
    if (this.#state.end === undefined) this.#save({ ...this.#state, tail: start, end: start }, true);
    const writer = createCutWriter({
      log: this.#log,
      recent: this.#recent,
      start,
      check: (cut) => this.#check(cut),
      publish: (cut) => this.#publish(cut),
      ended: () => {
        this.#writer = undefined;
      },
    });
    this.#writer = writer;
    return writer;
  }

  committed(): readonly CutContent[] {
    return [...this.#cuts];
  }

  free(cutId: string): void {
    this.#checkUsable();
    const [oldest, next] = this.#cuts;
    if (oldest === undefined || idText(oldest.cut.id) !== cutId) throw misuse(`cut ${cutId} is not the oldest committed one`);
    const tail = next?.logged.start ?? this.#state.end!;
    this.#save(
      { ...this.#state, tail, freedHeads: withEpochsOf(oldest.cut, this.#state.freedHeads) },
      tail.salt !== this.#state.tail?.salt,
    );
    oldest.gone = 'it was freed';
    for (const places of oldest.logged.frames) this.#recent.forget(places);
    this.#cuts.shift();
    this.#log.trim(tail);
  }

  heads(): ReadonlyMap<string, HrlHead> {
    return this.#state.heads;
  }

  get lastPointId(): string | undefined {
    return this.#state.lastPointId;
  }

  get lastManifest(): HrlManifest | undefined {
    return this.#state.lastManifest;
  }

  get usedBytes(): number {
    return this.#cuts.reduce((sum, { logged }) => sum + logged.bytes, this.#writer?.bytes ?? 0);
  }

  files(): string[] {
    return [...this.#options.controls.map(({ file }) => file.path), ...this.#options.pool.paths];
  }

  async close(): Promise<void> {
    if (this.#broken === undefined) {
      this.#writer?.abandon();
      this.#save(this.#state, true);
    }
    this.#broken = misuse('it is closed');
    for (const cut of this.#cuts) cut.gone = 'the log is closed';
    await Promise.allSettled(this.#reads);
    await this.#options.pool.close();
    for (const { file } of this.#options.controls) file.close();
    for (const directory of this.#options.directories) directory.close();
  }

  #check(cut: Cut): void {
    this.#checkUsable();
    if (idText(cut.machineId) !== this.#state.machineId) throw misuse(`cut ${idText(cut.id)} is of another machine`);
    const { heads } = stateAfter(this.#state, cut);
    if (heads.size <= HEAD_LIMIT) return;
    throw new HoldfastError('UNSUPPORTED_OPERATION', {
      thing: `disk ${[...heads.keys()].at(-1)}`,
      why: `the log keeps the heads of ${HEAD_LIMIT} disks at most`,
      remedy: 'begin the log anew when disks were replaced that often',
    });
  }

  #publish(logged: LoggedCut): CutContent {
    const { cut, end } = logged;
    const leadsOn = cut.generations.length > 0 || end.salt !== this.#state.end?.salt;
    this.#save({ ...stateAfter(this.#state, cut), end }, leadsOn);
    const committed = new CommittedCut(logged, this.#recent, this.#reads);
    this.#cuts.push(committed);
    return committed;
  }

  #save(change: ControlState, everywhere: boolean): void {
    const state = { ...change, sequence: this.#state.sequence + 1 };
    try {
      const { controls } = this.#options;
      for (const control of everywhere ? controls : controls.slice(0, 1)) control.write(state);
    } catch (reason) {
      this.#broken = reason;
      throw reason;
    }
    this.#state = state;
  }

  #checkUsable(): void {
    if (this.#broken !== undefined) throw this.#broken;
  }
}

export const createStoredHrl = (options: StoredHrlOptions): Hrl => new StoredHrl(options);
