// A thread that plays lives of a vault against the model, as many as each message tells.
import { parentPort } from 'node:worker_threads';
import { type LivesLived, type LivesWanted, liveMany } from '@holdfast/vault/conformance';

parentPort!.on('message', async (wanted: LivesWanted) => {
  const lived: LivesLived = await liveMany(wanted);
  parentPort!.postMessage(lived);
});
