import { once } from 'node:events';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { runTool } from '../host/run-tool.ts';
import type { FileThreadMessage } from './file-thread.ts';
import { createLedger } from './ledger.ts';
import { LEDGER_LOG, type WorkloadMessage, type WorkloadOrder, type WorkloadSettings } from './messages.ts';
import { createPace } from './pace.ts';

/** The workload's process: the ledger in this thread, files in another, now and then a trim. Ends when told to or when the supervisor is gone. */

/** Commits a second. */
const PACE = 160;
const REPORT_EVERY_MS = 1000;
const TRIM_EVERY_MS = 30_000;

/** Resolves when the message is on its way, for the last one before the end. */
const tell = (message: WorkloadMessage): Promise<void> =>
  new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });

/** Trims the disks one after the other, for ever. */
const startTrimming = (mountPoints: readonly string[]): { stop(): Promise<void> } => {
  const stopping = new AbortController();
  let next = 0;
  let running: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    const mountPoint = mountPoints[next % mountPoints.length]!;
    next += 1;
    // A file system on a device that cannot discard says so with a status; there is nothing to do about it.
    running = runTool('fstrim', [mountPoint], { signal: stopping.signal }).catch(() => undefined);
  }, TRIM_EVERY_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      stopping.abort();
      await running;
    },
  };
};

const run = async (settings: WorkloadSettings): Promise<void> => {
  let stopped = false;
  process.on('message', ({ type }: WorkloadOrder) => {
    stopped ||= type === 'stop';
  });
  process.on('disconnect', () => process.exit());

  const counts = { commits: 0, stamps: 0, churn: 0 };
  const ledger = createLedger({ mountPoints: settings.mountPoints, log: path.join(settings.directory, LEDGER_LOG), seed: settings.seed });
  const files = new Worker(new URL('./file-thread.ts', import.meta.url), { workerData: settings });
  const filesEnded = once(files, 'exit');
  const filesReady = new Promise<void>((resolve, reject) => {
    files.on('error', reject);
    files.on('message', (message: FileThreadMessage) => {
      if (message.type === 'ready') resolve();
      else Object.assign(counts, { stamps: message.stamps, churn: message.churn });
    });
  });
  // Later failures of the thread end the process; the promise above has settled by then.
  files.on('error', (reason) => void fail(reason));
  await filesReady;
  const trimming = startTrimming(settings.mountPoints);
  const timer = setInterval(() => void tell({ type: 'counts', ...counts }), REPORT_EVERY_MS);
  const pace = createPace(PACE);
  void tell({ type: 'ready' });
  while (!stopped) {
    counts.commits = ledger.step();
    await pace();
  }
  clearInterval(timer);
  files.postMessage('stop');
  await Promise.all([filesEnded, trimming.stop()]);
  ledger.close();
  await tell({ type: 'counts', ...counts });
  process.disconnect?.();
};

const fail = async (reason: unknown): Promise<void> => {
  process.exitCode = 1;
  await tell({ type: 'failed', message: reason instanceof Error ? reason.message : String(reason) });
  process.disconnect?.();
};

try {
  await run(JSON.parse(process.argv[2] ?? '{}') as WorkloadSettings);
} catch (reason) {
  await fail(reason);
}
