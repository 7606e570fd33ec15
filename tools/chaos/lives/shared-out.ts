import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { endThread, startThread } from '@holdfast/block';

/** Threads that play shares of an event, all processors at once. */
export interface SharedOut<Share, Answer> {
  /** Resolves when all shares were played; `take` gets each answer. */
  play(shares: Share[], take: (answer: Answer) => void): Promise<void>;
  end(): Promise<void>;
}

/** `thread` is the name of the file that the threads run, beside this one. */
export const shareOut = <Share, Answer>(thread: string): SharedOut<Share, Answer> => {
  const threads = Array.from({ length: availableParallelism() }, () => startThread(thread, import.meta.url));
  const work = async (worker: Worker, shares: Share[], take: (answer: Answer) => void): Promise<void> => {
    for (let share = shares.pop(); share !== undefined; share = shares.pop()) {
      const answer = once(worker, 'message') as Promise<[Answer]>;
      worker.postMessage(share);
      take((await answer)[0]);
    }
  };
  return {
    play: async (shares, take) => {
      await Promise.all(threads.map((worker) => work(worker, shares, take)));
    },
    end: async () => {
      await Promise.all(threads.map(endThread));
    },
  };
};
