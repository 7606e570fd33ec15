import { toBinary } from '@bufbuild/protobuf';
import { type ContentDigest, createContentDigest } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import { type Cut, type CutContent, CutSchema, idText } from '@holdfast/protocol';
import type { LogPosition } from './control-slot.ts';
import { misuse } from './damage.ts';
import type { HrlCutWriter } from './hrl.ts';
import type { LoggedCut } from './log-reader.ts';
import type { RecentFrames } from './recent-frames.ts';
import { EPOCH_LIMIT, RECORD_HEADER_SIZE, RECORD_TYPE } from './record.ts';
import type { RecordPlace, SegmentedLog } from './segmented-log.ts';

export interface CutWriterOptions {
  readonly log: SegmentedLog;
  readonly recent: RecentFrames;
  readonly start: LogPosition;
  /** Refuses a cut that must not be committed. */
  check(cut: Cut): void;
  /** Everything is in the log: makes it count. */
  publish(cut: LoggedCut): CutContent;
  /** The writer is done, with a cut or without. */
  ended(): void;
}

/** A cut being written into the log; see `HrlCutWriter`. */
export interface LogCutWriter extends HrlCutWriter {
  /** Bytes written so far. */
  readonly bytes: number;
}

class AppendingCutWriter implements LogCutWriter {
  bytes = 0;
  readonly #options: CutWriterOptions;
  readonly #epochs: { readonly places: RecordPlace[]; readonly digest: ContentDigest }[] = [];
  #ended = false;

  constructor(options: CutWriterOptions) {
    this.#options = options;
  }

  append(epochIndex: number, frame: Uint8Array, crc?: number): void {
    this.#attempt(() => {
      const epoch = this.#epoch(epochIndex);
      const place = this.#options.log.append(RECORD_TYPE.frame, epochIndex, frame, crc);
      epoch.places.push(place);
      this.#options.recent.keep(place, frame);
      epoch.digest.add(frame);
      this.bytes += RECORD_HEADER_SIZE + frame.length;
    });
  }

  epochDigest(epochIndex: number): Uint8Array<ArrayBuffer> {
    return this.#epoch(epochIndex).digest.value();
  }

  commit(cut: Cut): CutContent {
    return this.#attempt(() => {
      this.#checkFrames(cut);
      this.#options.check(cut);
      const { log, start } = this.#options;
      const { length } = log.append(RECORD_TYPE.commit, 0, toBinary(CutSchema, cut));
      this.#end();
      const frames = cut.epochs.map((_, index) => this.#epoch(index).places);
      return this.#options.publish({ cut, frames, start, end: log.position!, bytes: this.bytes + RECORD_HEADER_SIZE + length });
    });
  }

  abandon(): void {
    if (this.#ended) return;
    this.#end();
    for (const { places } of this.#epochs) this.#options.recent.forget(places);
    this.#options.log.rewind(this.#options.start);
  }

  #checkFrames(cut: Cut): void {
    if (this.#epochs.length > cut.epochs.length) throw misuse('frames were appended for an epoch that the cut does not have');
    for (const [index, epoch] of cut.epochs.entries()) {
      const { places } = this.#epoch(index);
      const matches = BigInt(places.length) === epoch.frameCount && Buffer.compare(this.epochDigest(index), epoch.contentDigest) === 0;
      if (matches) continue;
      throw new HoldfastError('EPOCH_CONFLICT', {
        thing: `epoch ${epoch.number} of disk ${idText(epoch.diskId)}`,
        why: `its digest and its ${epoch.frameCount} frames are not those of the ${places.length} frames appended`,
        remedy: 'report this as a bug; nothing was committed',
      });
    }
  }

  #epoch(index: number): { readonly places: RecordPlace[]; readonly digest: ContentDigest } {
    if (!Number.isInteger(index) || index < 0 || index >= EPOCH_LIMIT) throw misuse(`a cut has no epoch ${index}`);
    while (this.#epochs.length <= index) this.#epochs.push({ places: [], digest: createContentDigest() });
    return this.#epochs[index]!;
  }

  #attempt<T>(work: () => T): T {
    if (this.#ended) throw misuse('the cut is committed or abandoned');
    try {
      return work();
    } catch (reason) {
      this.abandon();
      throw reason;
    }
  }

  #end(): void {
    this.#ended = true;
    this.#options.ended();
  }
}

export const createCutWriter = (options: CutWriterOptions): LogCutWriter => new AppendingCutWriter(options);
