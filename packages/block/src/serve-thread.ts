import { parentPort } from 'node:worker_threads';

/** What tells a thread to end, see start-thread.ts. */
export const END = 'end of the thread';

/**
 * For the file of a thread: hands over one message after the other, with what became of those before it, until the thread is told to end; then ends it
 * after all of that.
 */
export const serveThread = <T>(take: (message: T, before: Promise<void>) => Promise<void>): void => {
  let order: Promise<void> = Promise.resolve();
  parentPort!.on('message', (message: T | typeof END) => {
    order = message === END ? order.then(() => parentPort!.close()) : take(message, order);
  });
};
