import path from 'node:path';
import type { JobRecord } from '../jobs/job-record.ts';
import { endedJobs, jobs, jobsOf, newJobId } from '../jobs/job-record.ts';
import { openLevelStore } from '../state/level-store.ts';
import type { Document, NewEvent } from '../state/state-store.ts';

export interface HistoryToFill {
  readonly events: number;
  readonly jobs: number;
  /** Ids of machines that they are about, in turns. */
  readonly machineIds: readonly string[];
}

const BATCH = 500;
/** Milliseconds between two of them. */
const APART = 1000;
/** Of so many jobs one has failed. */
const FAILS_EVERY = 20;

/** Writes a past into the state of a configuration server that does not run: events and ended jobs. */
export const fillHistory = async (stateDirectory: string, { events, jobs: jobCount, machineIds }: HistoryToFill): Promise<void> => {
  const most = Math.max(events, jobCount) + BATCH;
  const store = await openLevelStore(path.join(stateDirectory, 'state'), { events: most, audit: most, changes: 1000 });
  const machineOf = (index: number): string => machineIds[index % machineIds.length]!;
  try {
    for (let from = 0; from < events; from += BATCH) {
      const told = Array.from({ length: Math.min(BATCH, events - from) }, (_, at): NewEvent => {
        const subject = machineOf(from + at);
        return {
          at: Date.now() - (events - from - at) * APART,
          severity: 'information',
          code: 'disk-phase',
          text: `what happened at ${subject}`,
          subject,
          actor: subject,
        };
      });
      await store.commit({ events: told });
    }
    for (let from = 0; from < jobCount; from += BATCH) {
      const put: Record<string, Document> = {};
      for (let index = from; index < Math.min(jobCount, from + BATCH); index += 1) {
        const created = Date.now() - (jobCount - index) * APART;
        const job: JobRecord = {
          kind: 'point',
          state: index % FAILS_EVERY === 0 ? 'failed' : 'succeeded',
          machineId: machineOf(index),
          protectionId: '',
          wantedServer: '',
          startedBy: 'administrator',
          created,
          ended: created + APART,
          steps: [{ name: 'make the point', state: 'succeeded', started: created, ended: created + APART, detail: 'it is in the vault' }],
          cancelling: false,
          problemCode: '',
          problem: '',
        };
        const id = newJobId(created);
        put[jobs.key(id)] = jobs.document(job);
        put[endedJobs.key(`${job.state}/${id}`)] = endedJobs.document({});
        put[jobsOf.key(`${job.machineId}/${id}`)] = jobsOf.document({});
      }
      await store.commit({ put });
    }
  } finally {
    await store.close();
  }
};
