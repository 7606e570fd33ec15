import path from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { createChurn } from './churn.ts';
import { churnJournalName, STAMPS_LOG, type WorkloadSettings } from './messages.ts';
import { createPace } from './pace.ts';
import { createStampedFiles } from './stamped-files.ts';

/** The thread of the workload that writes files, beside the one that commits: stamped overwrites and churn, on each disk in turn. */

export type FileThreadMessage = { readonly type: 'ready' } | { readonly type: 'counts'; readonly stamps: number; readonly churn: number };

/** Steps a second. */
const PACE = 240;
/** Of so many steps one is churn, the others are stamped overwrites. */
const CHURN_EVERY = 3;
const REPORT_EVERY_MS = 1000;

const run = async ({ mountPoints, directory, seed }: WorkloadSettings, port: NonNullable<typeof parentPort>): Promise<void> => {
  const stamped = createStampedFiles({ mountPoints, log: path.join(directory, STAMPS_LOG), seed });
  const churns = mountPoints.map((mountPoint, disk) =>
    createChurn({ mountPoint, journal: path.join(directory, churnJournalName(disk)), seed: seed + disk }),
  );
  let stopped = false;
  port.on('message', () => {
    stopped = true;
  });
  const counts = { stamps: 0, churn: 0 };
  const report = (): void => port.postMessage({ type: 'counts', ...counts } satisfies FileThreadMessage);
  const timer = setInterval(report, REPORT_EVERY_MS);
  const pace = createPace(PACE);
  port.postMessage({ type: 'ready' } satisfies FileThreadMessage);
  for (let step = 0; !stopped; step += 1) {
    if (step % CHURN_EVERY === 0) {
      churns[(step / CHURN_EVERY) % churns.length]!.step();
      counts.churn += 1;
    } else counts.stamps = stamped.step();
    await pace();
  }
  clearInterval(timer);
  report();
  stamped.close();
  for (const churn of churns) churn.close();
  port.close();
};

if (parentPort !== null) await run(workerData as WorkloadSettings, parentPort);
