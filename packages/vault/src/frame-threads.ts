import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { endThread, type FrameExtent, startThread } from '@holdfast/block';
import type { FrameOpened, FramesOpened, FramesWanted } from './frame-thread.ts';
import type { FrameKeys } from './sealed-object.ts';
import { VerifiedData } from './verified-data.ts';

/*
 * Who reads much of a disk waits for decryption, decompression and digests more than for the store. Threads do that, for the whole process; they are
 * started when it pays, and end when there was nothing to do for a while. What they cannot open, or a thread that dies had in hand, is opened by the
 * caller as if there were none, and so fails with the same words.
 */

/** Threads at most. */
const MOST = 4;
/** Sealed bytes opened in this process before the first thread is started: who reads a few files needs none. */
const WORTH_A_THREAD = 4 * 1024 * 1024;
/** Sealed bytes below which asking a thread costs more than it saves. */
const WORTH_ASKING = 64 * 1024;
/** Milliseconds without work after which a thread ends. */
const IDLE = 10_000;
/** Threads that died, after which no more are started. */
const TRIES = 3;

/** Whether a frame has the extents that it should. */
type IsExpected = (extents: readonly FrameExtent[], frame: number) => boolean;
/** Memory that threads see, and what goes there. */
export interface Fill extends NonNullable<FramesWanted['fill']> {
  /** True: nobody else needs the sealed bytes, and the caller does not either. They may be gone afterwards. */
  readonly isOwn?: boolean;
}

type Opened = readonly (FrameOpened | undefined)[];

class FrameThread {
  readonly #worker: Worker;
  readonly #jobs = new Map<number, (frames: Opened) => void>();
  readonly #onEnd: (failed: boolean) => void;
  #next = 0;
  #idle: NodeJS.Timeout | undefined;
  #isOver = false;

  /** `onEnd` is told when it takes no work any more. */
  constructor(worker: Worker, onEnd: (failed: boolean) => void) {
    this.#worker = worker;
    this.#onEnd = onEnd;
    worker.unref();
    worker.on('message', ({ id, frames }: FramesOpened) => this.#settle(id, frames));
    worker.on('error', () => onEnd(true));
    worker.on('exit', () => {
      onEnd(false);
      for (const id of [...this.#jobs.keys()]) this.#settle(id, []);
    });
  }

  get busy(): number {
    return this.#jobs.size;
  }

  open({ key, fields, count }: FrameKeys, first: number, sealed: readonly Uint8Array[], fill?: Fill): Promise<Opened> {
    const ends: number[] = [];
    for (const { length } of sealed) ends.push((ends.at(-1) ?? 0) + length);
    const bytes = together(sealed, fill?.isOwn === true);
    const wanted: FramesWanted = {
      ...{ id: this.#next, key, fields: Uint8Array.from(fields), count, first, sealed: bytes, ends },
      ...(fill && { fill: { target: fill.target, wanted: fill.wanted } }),
    };
    this.#next += 1;
    return new Promise((resolve) => {
      this.#jobs.set(wanted.id, resolve);
      clearTimeout(this.#idle);
      this.#worker.ref();
      this.#worker.postMessage(wanted, [bytes.buffer]);
    });
  }

  async end(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#idle);
    this.#onEnd(false);
    await endThread(this.#worker);
  }

  #settle(id: number, frames: Opened): void {
    const resolve = this.#jobs.get(id);
    this.#jobs.delete(id);
    if (this.#jobs.size === 0 && !this.#isOver) {
      // Nobody waits for a thread that has nothing to do.
      this.#worker.unref();
      this.#idle = setTimeout(() => this.end(), IDLE).unref();
    }
    resolve?.(frames);
  }
}

/** One after the other in memory that can be handed over: a copy, unless it is nobody else's as it is. */
const together = (sealed: readonly Uint8Array[], isOwn: boolean): Uint8Array<ArrayBuffer> => {
  const size = sealed.reduce((sum, { length }) => sum + length, 0);
  const { buffer } = sealed[0]!;
  let at = 0;
  const isWhole =
    isOwn &&
    buffer instanceof ArrayBuffer &&
    buffer.byteLength === size &&
    sealed.every((one) => {
      at += one.length;
      return one.buffer === buffer && one.byteOffset === at - one.length;
    });
  if (isWhole) return new Uint8Array(buffer);
  const bytes = Buffer.allocUnsafeSlow(size);
  at = 0;
  for (const one of sealed) {
    bytes.set(one, at);
    at += one.length;
  }
  return bytes;
};

export interface FrameThreads {
  /**
   * Opens neighbouring frames of an object, every block compared with its digest; `undefined` for those that could not be, and for all when it is not worth
   * it. So are those that `isExpected` denies.
   */
  open(keys: FrameKeys, first: number, sealed: readonly Uint8Array[], isExpected?: IsExpected): Promise<(VerifiedData | undefined)[]>;
  /**
   * Fills memory that all threads see with bytes of neighbouring frames, every block of them compared with its digest. False when that was not done, wholly:
   * some of it was damaged or not expected, or it is not worth it.
   */
  fill(keys: FrameKeys, first: number, sealed: readonly Uint8Array[], fill: Fill, isExpected?: IsExpected): Promise<boolean>;
  /** Threads there are now. */
  readonly running: number;
  /** Ends the threads, after what is under way. */
  close(): Promise<void>;
}

export interface FrameThreadsOptions {
  /** Threads at most; as many as there are processors, up to 4, unless told. */
  readonly most?: number;
  /** Sealed bytes before the first thread is started, 4 MiB unless told. */
  readonly after?: number;
  /** For tests. */
  readonly start?: () => Worker;
}

export const createFrameThreads = ({
  most = Math.min(MOST, availableParallelism()),
  after = WORTH_A_THREAD,
  start = () => startThread('frame-thread', import.meta.url),
}: FrameThreadsOptions = {}): FrameThreads => {
  const threads = new Set<FrameThread>();
  let opened = 0;
  let died = 0;
  const begin = (): FrameThread | undefined => {
    if (died >= TRIES) return undefined;
    try {
      const thread: FrameThread = new FrameThread(start(), (failed) => {
        threads.delete(thread);
        if (failed) died += 1;
      });
      threads.add(thread);
      return thread;
    } catch {
      died = TRIES;
      return undefined;
    }
  };
  const choose = (): FrameThread | undefined => {
    const [least] = [...threads].sort((a, b) => a.busy - b.busy);
    if (least?.busy === 0 || threads.size >= most) return least;
    return begin() ?? least;
  };
  const anyThread = (sealed: readonly Uint8Array[]): FrameThread | undefined => {
    const size = sealed.reduce((sum, { length }) => sum + length, 0);
    opened += size;
    return size < WORTH_ASKING || opened < after ? undefined : choose();
  };
  return {
    open: async (keys, first, sealed, isExpected = () => true) => {
      const frames = (await anyThread(sealed)?.open(keys, first, sealed)) ?? [];
      return sealed.map((_, i) => {
        const frame = frames[i];
        if (frame === undefined || !isExpected(frame.extents, first + i)) return undefined;
        return new VerifiedData(frame, frame.data, { verified: true });
      });
    },
    fill: async (keys, first, sealed, fill, isExpected = () => true) => {
      const frames = (await anyThread(sealed)?.open(keys, first, sealed, fill)) ?? [];
      return sealed.every((_, i) => frames[i] !== undefined && isExpected(frames[i].extents, first + i));
    },
    get running() {
      return threads.size;
    },
    close: async () => {
      await Promise.all([...threads].map((thread) => thread.end()));
    },
  };
};

/** Those of this process. */
export const frameThreads = createFrameThreads();
