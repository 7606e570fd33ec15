import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { endThread, startThread } from '@holdfast/block';
import type { MadePiece, PieceWanted } from './frame-worker.ts';

/** A piece of an image as frames. */
export interface Piece {
  readonly frames: readonly Uint8Array[];
  /** SHA-256 of the frames. */
  readonly digest: Uint8Array;
  /** Lets the memory of the frames be used again. */
  done(): void;
}

/** Threads that make the frames of images, as the agents of other machines do all the time: they are there before anything is measured. */
export interface FrameSource {
  /** Asks for a piece; pieces of an image are made at the same time. */
  make(image: string, start: number, end: number): Promise<Piece>;
  close(): Promise<void>;
}

export const openFrameSource = (threads = Math.min(2, availableParallelism())): FrameSource => {
  const waiting = new Map<number, PromiseWithResolvers<MadePiece>>();
  const workers = Array.from({ length: threads }, (): Worker => {
    const worker = startThread('frame-worker', import.meta.url);
    worker.on('message', (made: MadePiece) => {
      waiting.get(made.number)!.resolve(made);
      waiting.delete(made.number);
    });
    worker.on('error', (reason) => {
      for (const { reject } of waiting.values()) reject(reason);
      waiting.clear();
    });
    return worker;
  });
  const free: ArrayBuffer[] = [];
  let number = 0;
  return {
    make: async (image, start, end) => {
      const memory = free.pop();
      const wanted: PieceWanted = { number, image, start, end, memory };
      number += 1;
      const made = Promise.withResolvers<MadePiece>();
      waiting.set(wanted.number, made);
      workers[wanted.number % workers.length]!.postMessage(wanted, memory === undefined ? [] : [memory]);
      const { memory: filled, ends, digest } = await made.promise;
      const frames = ends.map((to, i) => new Uint8Array(filled).subarray(ends[i - 1] ?? 0, to));
      return { frames, digest, done: () => void free.push(filled) };
    },
    close: async () => {
      await Promise.all(workers.map(endThread));
    },
  };
};
