// A thread that plays lives of a vault against the model, as many as each message tells.
import { parentPort } from 'node:worker_threads';
import { serveThread } from '@holdfast/block';
import { type LivesWanted, liveMany } from '@holdfast/vault/conformance';

serveThread((wanted: LivesWanted, before) => before.then(async () => parentPort!.postMessage(await liveMany(wanted))));
