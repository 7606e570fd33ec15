import { toBinary } from '@bufbuild/protobuf';
import { type ContentDigest, createContentDigest, giveBack } from '@holdfast/block';
import { fromSystem, type HoldfastError } from '@holdfast/errors';
import { type Cut, type CutBegin, CutBeginSchema, CutSchema, splitFrames } from '@holdfast/protocol';
import type { EpochProgress, FrameChunk, FrameSums, JournaledCut, OpenCut } from './journal.ts';
import type { JournalLog, Place } from './journal-log.ts';
import { NO_SUMS, RECORD_TYPE, type RecordSubject } from './record.ts';
import type { Segment } from './segments.ts';
import type { Held } from './whole-cut.ts';

/** Bytes of the largest frame. */
export const LARGEST_FRAME = 1024 * 1024;
/** Bytes that may be on their way to the disk before more is taken. */
const UNSYNCED = 64 * 1024 * 1024;

/** A chunk of frames in the journal. */
export interface StoredChunk {
  readonly place: Place;
  readonly subject: RecordSubject;
  /** The payload, while it is kept in memory. */
  memory: Uint8Array | undefined;
}

/** What stored cuts need of the journal. */
export interface CutHost {
  readonly log: JournalLog;
  /** True when so many bytes may stay in memory; they are given back by `forget`. */
  keep(bytes: number): boolean;
  forget(bytes: number): void;
  /** Takes a place for a record of the cut, as the log does. */
  write(cut: Held, subject: RecordSubject, body: Uint8Array): { readonly place: Place; readonly written: Promise<void> };
  settle(cut: Held): void;
}

const plus = (a: FrameSums, b: FrameSums): FrameSums => ({
  dataBytes: a.dataBytes + b.dataBytes,
  zeroBytes: a.zeroBytes + b.zeroBytes,
  unreadableBytes: a.unreadableBytes + b.unreadableBytes,
  end: Math.max(a.end, b.end),
});

const progressOf = (chunks: readonly StoredChunk[]): EpochProgress =>
  chunks.reduce((sum, { subject }) => ({ ...plus(sum, subject.sums), frames: sum.frames + subject.frames }), { ...NO_SUMS, frames: 0 });

/** A cut in the journal: open until it is committed. */
export class StoredCut implements OpenCut, Held {
  readonly machineId: string;
  readonly cutId: string;
  readonly begin: CutBegin;
  readonly segments = new Set<Segment>();
  readonly #host: CutHost;
  readonly #chunks: StoredChunk[][];
  readonly #progress: EpochProgress[];
  /** Of the frames of each epoch; undefined while those from before this start were not read. */
  #digests: ContentDigest[] | undefined;
  #bytes = 0;
  /** Its beginning is written: with its first frames, for a cut that has none is told whole by its commit. */
  #isBegun: boolean;
  #released = false;
  #damage: HoldfastError | undefined;

  /** `chunks`: what was found of it at the start. */
  constructor(host: CutHost, machineId: string, cutId: string, begin: CutBegin, chunks?: readonly (readonly StoredChunk[])[]) {
    this.#host = host;
    this.machineId = machineId;
    this.cutId = cutId;
    this.begin = begin;
    this.#chunks = begin.epochs.map((_, index) => [...(chunks?.[index] ?? [])]);
    this.#isBegun = chunks !== undefined;
    if (chunks === undefined) this.#digests = begin.epochs.map(() => createContentDigest());
    this.#progress = this.#chunks.map(progressOf);
    this.#bytes = this.#chunks.flat().reduce((sum, { place }) => sum + place.length, 0);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get progress(): readonly EpochProgress[] {
    return this.#progress;
  }

  async append({ epochIndex, firstFrame, frames, sums, payload, parts }: FrameChunk): Promise<void> {
    if (!this.#isBegun) this.#write(this.#subject(RECORD_TYPE.begin), toBinary(CutBeginSchema, this.begin)).written.catch(() => undefined);
    this.#isBegun = true;
    const subject = { ...this.#subject(RECORD_TYPE.frames), epochIndex, firstFrame, frames, sums };
    const { place, written } = this.#write(subject, payload);
    if (firstFrame === 0) {
      this.#forget(this.#chunks[epochIndex]!);
      this.#chunks[epochIndex] = [];
      this.#progress[epochIndex] = progressOf([]);
      this.#begun()[epochIndex] = createContentDigest();
    }
    for (const part of parts) this.#begun()[epochIndex]!.add(part);
    const memory = this.#host.keep(payload.length) ? payload : undefined;
    this.#chunks[epochIndex]!.push({ place, subject, memory });
    const before = this.#progress[epochIndex]!;
    this.#progress[epochIndex] = { ...plus(before, sums), frames: before.frames + frames };
    await written;
    if (memory === undefined) giveBack(payload);
    if (this.#host.log.unsynced > UNSYNCED) await this.#host.log.sync();
  }

  async resume(): Promise<void> {
    if (this.#digests !== undefined) return;
    const digests: ContentDigest[] = [];
    for (const index of this.#chunks.keys()) {
      const digest = createContentDigest();
      for await (const frame of this.#frames(index)) digest.add(frame);
      digests.push(digest);
    }
    this.#digests = digests;
  }

  digests(): readonly Uint8Array[] {
    return this.#begun().map((digest) => digest.value());
  }

  async commit(cut: Cut): Promise<JournaledCut> {
    this.#write(this.#subject(RECORD_TYPE.commit), toBinary(CutSchema, cut));
    await this.#host.log.sync();
    return this.journaled(cut, true);
  }

  /** The cut once it is whole. `verified`: its frames are those that its digests speak of. */
  journaled(cut: Cut, verified = false): JournaledCut {
    const damage = (): HoldfastError | undefined => this.#damage;
    return {
      machineId: this.machineId,
      cutId: this.cutId,
      cut,
      bytes: this.#bytes,
      verified,
      get damage() {
        return damage();
      },
      frames: (index) => this.#frames(index),
      release: () => this.drop(),
    };
  }

  drop(): void {
    if (this.#released) return;
    this.#released = true;
    for (const chunks of this.#chunks) this.#forget(chunks);
    if (this.segments.size > 0) this.#host.settle(this);
  }

  async *#frames(index: number): AsyncGenerator<Uint8Array> {
    for (const { place, subject, memory } of this.#chunks[index] ?? []) {
      try {
        yield* splitFrames(memory ?? (await this.#host.log.read(place, subject)), LARGEST_FRAME);
      } catch (reason) {
        this.#damage = fromSystem(reason, 'the journal');
        throw this.#damage;
      }
    }
  }

  #begun(): ContentDigest[] {
    if (this.#digests === undefined) throw new Error('a cut from before this start goes on without having been read');
    return this.#digests;
  }

  #forget(chunks: readonly StoredChunk[]): void {
    for (const chunk of chunks) {
      if (chunk.memory === undefined) continue;
      this.#host.forget(chunk.memory.length);
      giveBack(chunk.memory);
      chunk.memory = undefined;
    }
  }

  #subject(type: RecordSubject['type']): RecordSubject {
    return { type, machineId: this.machineId, cutId: this.cutId, epochIndex: 0, firstFrame: 0, frames: 0, sums: NO_SUMS };
  }

  #write(subject: RecordSubject, body: Uint8Array): { readonly place: Place; readonly written: Promise<void> } {
    const result = this.#host.write(this, subject, body);
    this.#bytes += result.place.length;
    this.segments.add(result.place.segment);
    return result;
  }
}
