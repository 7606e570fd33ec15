import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { endThread, startThread } from '@holdfast/block';
import { type FrameWork, type MadeFrame, makeFrame } from './make-frame.ts';
import type { FrameDone, FrameWanted } from './packing-thread.ts';

/*
 * Digests and compression take most of the time of a copy. A thread does that for the whole process, beside reading, keeping and sending, and a second one
 * when it does not keep up; they are started when it pays, and end when there was nothing to do for a while. What they cannot make, or have in hand when they
 * die, is made as if there were none.
 */

/** Bytes of data made into frames without a pause before a thread is started: what a machine changes in some seconds needs none, and none of its memory. */
const WORTH_A_THREAD = 32 * 1024 * 1024;
/** Milliseconds without work that are a pause. */
const PAUSE = 1000;
/** Bytes of data below which asking costs more than it saves. */
const WORTH_ASKING = 64 * 1024;
/** Milliseconds without work after which the thread ends. */
const IDLE = 30_000;
/** Threads that died, after which no more are started. */
const TRIES = 3;
/** Threads at a time: with reading, sending and the machine's own work beside them, more would take what is others'. */
const THREADS = 2;
/** Of a thread's heap, in MiB: little lives in it, and what has just been made would fill 48 before anybody looks which of it is still used. */
const HEAP = { maxYoungGenerationSizeMb: 6 };
/** Frames that wait for every thread there is before another one is started. */
const BEHIND = 3;

/** Makes frames, several at a time. */
export interface FrameMaker {
  make(work: FrameWork): Promise<MadeFrame>;
  /** Threads there are. */
  readonly running: number;
  close(): Promise<void>;
}

export interface FrameMakerOptions {
  /** Bytes of data before the thread is started, 32 MiB unless told; never where there is but one processor. */
  readonly after?: number;
  /** Milliseconds without work after which a thread ends, 30,000 unless told. */
  readonly idle?: number;
  /** Milliseconds without work after which bytes are counted anew, 1000 unless told. */
  readonly pause?: number;
  /** Threads at a time at most, 2 unless told. */
  readonly threads?: number;
  /** For tests. */
  readonly start?: () => Worker;
}

type Job = (made: MadeFrame | undefined) => void;

class PackingThread {
  readonly #worker: Worker;
  readonly #jobs = new Map<number, Job>();
  readonly #patience: number;
  readonly #onEnd: (failed: boolean) => void;
  #next = 0;
  #idle: NodeJS.Timeout | undefined;
  #isOver = false;

  /** Frames it was asked for and did not make yet. */
  get waiting(): number {
    return this.#jobs.size;
  }

  /** `onEnd` is told when it takes no work any more. */
  constructor(worker: Worker, patience: number, onEnd: (failed: boolean) => void) {
    this.#worker = worker;
    this.#onEnd = onEnd;
    this.#patience = patience;
    worker.unref();
    worker.on('message', ({ id, made }: FrameDone) => this.#settle(id, made));
    // An error is followed by the exit.
    worker.on('error', () => undefined);
    worker.on('exit', () => {
      onEnd(!this.#isOver);
      for (const id of [...this.#jobs.keys()]) this.#settle(id, undefined);
      clearTimeout(this.#idle);
    });
  }

  /** `undefined` where the thread could not. */
  make({ extents, data, codec, digests }: FrameWork): Promise<MadeFrame | undefined> {
    const { promise, resolve } = Promise.withResolvers<MadeFrame | undefined>();
    const id = this.#next;
    this.#next += 1;
    this.#jobs.set(id, resolve);
    clearTimeout(this.#idle);
    this.#worker.ref();
    // Of anything but shared memory the whole buffer would be copied, however little of it is meant.
    const wanted: FrameWanted = {
      id,
      extents,
      data: shared(data) ? data : Uint8Array.from(data),
      codec,
      digests: digests && Uint8Array.from(digests),
    };
    this.#worker.postMessage(wanted, shared(data) ? [] : [wanted.data.buffer as ArrayBuffer]);
    return promise;
  }

  async end(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#idle);
    this.#onEnd(false);
    await endThread(this.#worker);
  }

  #settle(id: number, made: MadeFrame | undefined): void {
    const resolve = this.#jobs.get(id);
    this.#jobs.delete(id);
    if (this.#jobs.size === 0 && !this.#isOver) {
      // Nobody waits for a thread that has nothing to do.
      this.#worker.unref();
      this.#idle = setTimeout(() => void this.end(), this.#patience).unref();
    }
    resolve?.(made);
  }
}

const shared = ({ buffer }: Uint8Array): boolean => buffer instanceof SharedArrayBuffer;

export const createFrameMaker = ({
  after = availableParallelism() > 1 ? WORTH_A_THREAD : Number.POSITIVE_INFINITY,
  idle = IDLE,
  pause = PAUSE,
  threads: most = THREADS,
  start = () => startThread('packing-thread', import.meta.url, undefined, HEAP),
}: FrameMakerOptions = {}): FrameMaker => {
  const threads = new Set<PackingThread>();
  let bytes = 0;
  let last = 0;
  let died = 0;

  const begin = (): void => {
    try {
      const begun: PackingThread = new PackingThread(start(), idle, (failed) => {
        if (failed) died += 1;
        if (threads.delete(begun) && threads.size === 0) bytes = 0;
      });
      threads.add(begun);
    } catch {
      died = TRIES;
    }
  };

  /** The thread that has least to do. */
  const freest = (): PackingThread | undefined => {
    let found: PackingThread | undefined;
    for (const thread of threads) if (found === undefined || thread.waiting < found.waiting) found = thread;
    return found;
  };

  const threadFor = (length: number): PackingThread | undefined => {
    if (bytes < after || length < WORTH_ASKING) return undefined;
    const found = freest();
    // Where one has died another beside those that live would only be the next to die.
    const isDue = found === undefined ? died < TRIES : found.waiting >= BEHIND && threads.size < most && died === 0;
    if (isDue) begin();
    return isDue ? freest() : found;
  };

  return {
    async make(work) {
      const now = performance.now();
      if (threads.size === 0 && now - last > pause) bytes = 0;
      last = now;
      bytes += work.data.length;
      return (await threadFor(work.data.length)?.make(work)) ?? makeFrame(work);
    },
    get running() {
      return threads.size;
    },
    close: async () => void (await Promise.all([...threads].map((thread) => thread.end()))),
  };
};

/** That of this process. */
export const frameMaker = createFrameMaker();
