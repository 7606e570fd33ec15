import type { Worker } from 'node:worker_threads';
import { endThread, endThreads, startThread } from './start-thread.ts';

describe('a thread that is told to end', () => {
  const start = () => {
    const thread = startThread('testing/doubling-thread', require('node:url').pathToFileURL(__filename).href);
    const answers: number[] = [];
    thread.on('message', (answer: number) => answers.push(answer));
    return { thread, answers, status: new Promise<number>((resolve) => thread.once('exit', resolve)) };
  };
  const ask = (thread: Worker, ...values: number[]) => {
    for (const value of values) thread.postMessage(value);
  };

  it('answers all it was asked before, and nothing it is asked afterwards', async () => {
    const { thread, answers, status } = start();
    ask(thread, 1, 2, 3);
    const ended = endThread(thread);
    ask(thread, 4);
    await ended;
    expect(answers).toEqual([2, 4, 6]);
    expect(await status).toBe(0);
    await endThread(thread);
  });

  it('is one of all that are ended before the process is', async () => {
    const all = [start(), start()];
    for (const { thread } of all) ask(thread, 1, 2);
    await endThreads();
    for (const { answers, status } of all) {
      expect(answers).toEqual([2, 4]);
      expect(await status).toBe(0);
    }
    // Nobody is left to wait for.
    await endThreads();
  });
});
