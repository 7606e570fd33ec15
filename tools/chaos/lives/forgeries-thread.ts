// A thread that uses vaults with wrong contents, as many as each message tells.
import { parentPort } from 'node:worker_threads';
import { serveThread } from '@holdfast/block';
import { type ForgeriesWanted, useForgeries } from '@holdfast/vault/conformance';

serveThread((wanted: ForgeriesWanted, before) => before.then(async () => parentPort!.postMessage(await useForgeries(wanted))));
