// A thread that plays lives of a vault against the model, as many as each message tells.
import { parentPort } from 'node:worker_threads';
import { serveThread } from '@holdfast/block';
import { type LivesWanted, liveMany } from '@holdfast/vault/conformance';

// A tenth of the time goes into stacks of refusals that are expected; a life that is wrong is played again for its own.
Error.stackTraceLimit = 0;

serveThread((wanted: LivesWanted, before) => before.then(async () => parentPort!.postMessage(await liveMany(wanted))));
