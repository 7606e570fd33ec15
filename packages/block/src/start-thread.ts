import { extname } from 'node:path';
import { type ResourceLimits, Worker } from 'node:worker_threads';
import { END } from './serve-thread.ts';

/** Milliseconds after which a thread that was told to end is stuck, and ended by force. */
const PATIENCE = 60_000;

const threads = new Set<Worker>();

/**
 * Starts a thread that runs the file `name` beside the caller's: TypeScript in the sources, what was compiled of it in a package or a bundle. `own` is the
 * caller's `import.meta.url`. Throws where there is no such file to be found, as in CommonJS that was compiled. The file serves by `serveThread`. `limits`:
 * of its own heap; unless told, what has just been made fills three times what it may in the whole program.
 */
export const startThread = (name: string, own: string, workerData?: unknown, limits?: ResourceLimits): Worker => {
  const extension = extname(new URL(own).pathname);
  const execArgv = extension === '.ts' ? ['--conditions=@holdfast/source'] : [];
  const thread = new Worker(new URL(`./${name}${extension}`, own), { execArgv, workerData, ...(limits && { resourceLimits: limits }) });
  threads.add(thread);
  thread.once('exit', () => threads.delete(thread));
  return thread;
};

/**
 * Tells a thread to end and resolves when it is gone, after what it was asked for before. `terminate` would stop it in the middle of anything, and not all
 * of Node bears that: one that makes a decompressor at that instant aborts the whole process ("close before init").
 */
export const endThread = async (thread: Worker): Promise<void> => {
  // What has ended has no number any more.
  if (thread.threadId === -1) return;
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  thread.once('exit', () => resolve());
  thread.ref();
  thread.postMessage(END);
  const late = setTimeout(() => void thread.terminate(), PATIENCE);
  await gone;
  clearTimeout(late);
};

/** Ends all threads of this process: to be awaited before `process.exit`, which would terminate them. */
export const endThreads = async (): Promise<void> => {
  await Promise.all([...threads].map(endThread));
};
