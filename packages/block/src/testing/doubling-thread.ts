// A thread for tests: doubles the numbers it is given, each after a while.
import { setImmediate as turn } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import { serveThread } from '../serve-thread.ts';

serveThread(async (value: number, before) => {
  await before;
  for (let turns = 0; turns < 20; turns += 1) await turn();
  parentPort!.postMessage(value * 2);
});
