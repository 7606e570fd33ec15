import { BLOCK_SIZE, CODEC, type CodecName, FRAME_DATA_LIMIT, FRAME_EXTENT_LENGTH_LIMIT } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import { type FrameMaker, frameMaker } from './frame-maker.ts';
import type { MadeFrame } from './make-frame.ts';
import { digestLength, type FrameRoom, giveFrameRoom, OpenFrame, takeFrameRoom } from './open-frame.ts';
import { zeroRuns } from './zero-runs.ts';

/** What went into the frames of one epoch; all but `frames` in bytes. */
export interface FrameCounters {
  readonly frames: number;
  readonly dataBytes: number;
  readonly zeroBytes: number;
  readonly unreadableBytes: number;
  /** Bytes of all serialized frames. */
  readonly storedBytes: number;
  /** Data of frames that compression made no smaller; 0 where none was tried. */
  readonly incompressibleBytes: number;
}

/** Bytes of a disk from a block on, with one digest for each block where they are known. */
export interface DataPart {
  readonly offset: number;
  readonly data: Uint8Array;
  readonly digests?: Uint8Array | undefined;
}

/**
 * Turns what was read from a disk into serialized frames: zero blocks become zero extents, small extents share a frame, frames are
 * compressed off the main thread a few at a time and handed out strictly in order. What is added later wins over what was added earlier.
 *
 * Offsets are bytes and block-aligned; lengths too, except for a short last block of a disk. Calls may overlap and count in the order they
 * were made. After the first failure (of `emit`, say) every call fails with it and nothing more is emitted.
 */
export interface FramePacker {
  /**
   * Resolves when the bytes are no longer needed, so that the buffer may be used again; that is also the back-pressure.
   * `digests`: one for each block of `data`, for a caller that has them already.
   */
  add(offset: number, data: Uint8Array, digests?: Uint8Array): Promise<void>;
  /** The same for many, in their order: a call for each small one would cost more than what is done with it. */
  addAll(parts: readonly DataPart[]): Promise<void>;
  /** A range that reads as zeroes. */
  addZero(offset: number, length: number): Promise<void>;
  /** A range the source could not read. */
  addUnreadable(offset: number, length: number): Promise<void>;
  /** Emits what is still held back and tells the sums. Nothing may be added afterwards. */
  finish(): Promise<FrameCounters>;
}

export interface FramePackerOptions {
  readonly codec: CodecName;
  /** Gets every serialized frame, in order, once. The buffer is the receiver's. */
  emit(frame: Uint8Array): void;
  /** Frames under way at the same time; unless told 16 where threads make them, 4 where none does. */
  readonly inFlight?: number;
  /** Makes the frames; that of the process unless told. */
  readonly maker?: FrameMaker;
}

class Packer implements FramePacker {
  readonly #options: FramePackerOptions;
  readonly #maker: FrameMaker;
  #open: OpenFrame | undefined;
  /** Calls wait for one another; each turn starts when this resolves. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Frames not yet emitted, oldest first. None of these promises ever rejects: see `#failure`. */
  readonly #inFlight: Promise<void>[] = [];
  #failure: { readonly reason: unknown } | undefined;
  #finished = false;
  readonly #counters = { frames: 0, dataBytes: 0, zeroBytes: 0, unreadableBytes: 0, storedBytes: 0, incompressibleBytes: 0 };

  constructor(options: FramePackerOptions) {
    this.#options = options;
    this.#maker = options.maker ?? frameMaker;
  }

  add(offset: number, data: Uint8Array, digests?: Uint8Array): Promise<void> {
    return this.addAll([{ offset, data, digests }]);
  }

  async addAll(parts: readonly DataPart[]): Promise<void> {
    for (const { offset, data } of parts) checkExtent(offset, data.length);
    const borrowed: Promise<void>[] = [];
    try {
      await this.#inTurn(async () => {
        for (const { offset, data, digests } of parts) {
          for (const { at, length, zero } of zeroRuns(data)) {
            if (zero) await this.#addRun('zero', offset + at, length);
            else {
              const bytes = length === data.length ? data : data.subarray(at, at + length);
              const known = digests?.subarray(digestLength(at), digestLength(at + length));
              if (!this.#joins(offset + at, bytes, known)) await this.#addData(offset + at, bytes, known, borrowed);
            }
          }
        }
      });
    } finally {
      await Promise.all(borrowed);
    }
    this.#throwFailure();
  }

  async addZero(offset: number, length: number): Promise<void> {
    checkExtent(offset, length);
    await this.#inTurn(() => this.#addRun('zero', offset, length));
  }

  async addUnreadable(offset: number, length: number): Promise<void> {
    checkExtent(offset, length);
    await this.#inTurn(() => this.#addRun('unreadable', offset, length));
  }

  finish(): Promise<FrameCounters> {
    return this.#inTurn(async () => {
      this.#finished = true;
      await this.#close();
      await Promise.all(this.#inFlight);
      this.#throwFailure();
      return { ...this.#counters };
    });
  }

  /** Where no thread makes them, more than a few at a time would only take memory. */
  get #limit(): number {
    return this.#options.inFlight ?? (this.#maker.running > 0 ? 16 : 4);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(() => {
      this.#throwFailure();
      if (this.#finished) throw misuse('it is finished');
      return work();
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #addRun(kind: 'zero' | 'unreadable', offset: number, length: number): Promise<void> {
    for (let done = 0; done < length; ) {
      const part = Math.min(length - done, FRAME_EXTENT_LENGTH_LIMIT);
      const frame = await this.#frameFor(offset + done, part);
      frame.append(kind, offset + done, part);
      done += part;
    }
    this.#counters[kind === 'zero' ? 'zeroBytes' : 'unreadableBytes'] += length;
  }

  /** Copies data that leaves room in the open frame: nothing has to be waited for. False for any other. */
  #joins(offset: number, data: Uint8Array, digests: Uint8Array | undefined): boolean {
    const frame = this.#open;
    if (frame === undefined || frame.spare <= data.length || !frame.accepts(offset, data.length)) return false;
    frame.appendCopy(offset, data, digests);
    this.#counters.dataBytes += data.length;
    return true;
  }

  /** Full frames are made straight from the caller's bytes, `borrowed` telling until when; only the rest is copied. */
  async #addData(offset: number, data: Uint8Array, digests: Uint8Array | undefined, borrowed: Promise<void>[]): Promise<void> {
    for (let done = 0; done < data.length; ) {
      const frame = await this.#frameFor(offset + done, Math.min(data.length - done, FRAME_DATA_LIMIT));
      const length = Math.min(data.length - done, frame.spare);
      const part = data.subarray(done, done + length);
      const known = digests?.subarray(digestLength(done), digestLength(done + length));
      if (length === FRAME_DATA_LIMIT) {
        frame.append('data', offset + done, length);
        await this.#close({ data: part, digests: known });
        borrowed.push(...this.#inFlight.slice(-1));
      } else {
        frame.appendCopy(offset + done, part, known);
        if (frame.spare === 0) await this.#close();
      }
      done += length;
    }
    this.#counters.dataBytes += data.length;
  }

  async #frameFor(offset: number, length: number): Promise<OpenFrame> {
    if (this.#open?.accepts(offset, length) === false) await this.#close();
    this.#open ??= new OpenFrame(takeFrameRoom());
    return this.#open;
  }

  /** Sends the open frame on its way as soon as there is a free place. Its data: its own copies, unless others are given. */
  async #close(others?: { readonly data: Uint8Array; readonly digests: Uint8Array | undefined }): Promise<void> {
    const frame = this.#open;
    if (frame === undefined) return;
    this.#open = undefined;
    while (this.#inFlight.length >= this.#limit) await this.#inFlight[0];
    const before = this.#inFlight.at(-1);
    const { codec } = this.#options;
    const { data, digests } = others ?? frame;
    const made = this.#maker.make({ extents: frame.extents, data, codec, digests }).then((packed) => {
      if (packed.codec === CODEC.raw && codec !== 'raw') this.#counters.incompressibleBytes += data.length;
      return packed;
    });
    this.#inFlight.push(this.#emitAfter(before, made, frame.room));
  }

  async #emitAfter(before: Promise<void> | undefined, made: Promise<MadeFrame>, room: FrameRoom): Promise<void> {
    const [, result] = await Promise.allSettled([before, made]);
    try {
      if (result.status === 'rejected') throw result.reason;
      if (this.#failure === undefined) {
        const { bytes } = result.value;
        this.#options.emit(bytes);
        this.#counters.frames += 1;
        this.#counters.storedBytes += bytes.length;
      }
    } catch (reason) {
      this.#failure ??= { reason };
    }
    giveFrameRoom(room);
    this.#inFlight.shift();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.reason;
  }
}

const checkExtent = (offset: number, length: number): void => {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset % BLOCK_SIZE !== 0) throw misuse(`offset ${offset} is not that of a block`);
  if (!Number.isSafeInteger(length) || length < 0) throw misuse(`length ${length} is impossible`);
};

const misuse = (why: string): HoldfastError =>
  new HoldfastError('INTERNAL', { thing: 'frame packer', why, remedy: 'report this as a bug' });

export const createFramePacker = (options: FramePackerOptions): FramePacker => new Packer(options);
