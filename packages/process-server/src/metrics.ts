import type { Metrics } from '@holdfast/daemon';
import type { Journal } from './journal/journal.ts';
import type { Machine } from './machines.ts';
import type { CreditPool } from './receive/credit-pool.ts';
import type { UploadState } from './upload/uploader.ts';

/** The figures of a process server. */
export interface ServerMetrics {
  received(bytes: number): void;
  /** A cut of so many bytes of the journal became durable. */
  durable(bytes: number): void;
}

export interface MetricSources {
  readonly journal: Pick<Journal, 'usage'>;
  readonly pool: CreditPool;
  machines(): Iterable<Machine>;
}

export const createServerMetrics = (metrics: Metrics, { journal, pool, machines }: MetricSources): ServerMetrics => {
  const received = metrics.counter({ name: 'received_bytes_total', help: 'Bytes of frames received from agents' });
  const durable = metrics.counter({ name: 'durable_cuts_total', help: 'Cuts that became durable' });
  const durableBytes = metrics.counter({ name: 'durable_bytes_total', help: 'Bytes of the journal that became durable' });
  metrics.gauge({ name: 'journal_used_bytes', help: 'Bytes of journal files in use', collect: (gauge) => gauge.set(journal.usage.used) });
  metrics.gauge({ name: 'journal_quota_bytes', help: 'Bytes the journal may take', collect: (gauge) => gauge.set(journal.usage.quota) });
  metrics.gauge({ name: 'credit_bytes', help: 'Bytes granted to agents or in memory', collect: (gauge) => gauge.set(pool.inUse) });
  metrics.gauge({
    name: 'streams',
    help: 'Machines with a live stream',
    collect: (gauge) => gauge.set([...machines()].filter(({ receiver }) => receiver.connected).length),
  });
  const byMachine = (name: string, help: string, read: (state: UploadState) => number): void => {
    metrics.gauge({
      name,
      help: `${help}, by machine`,
      labels: ['machine'],
      collect(gauge) {
        gauge.reset();
        for (const { assignment, uploader } of machines()) gauge.set({ machine: assignment.machineId }, read(uploader.state));
      },
    });
  };
  byMachine('pending_bytes', 'Bytes in the journal that are not durable', ({ pendingBytes }) => pendingBytes);
  byMachine('uploading_bytes', 'Of these, bytes on their way into the store', ({ uploadingBytes }) => uploadingBytes);
  byMachine('backlog_seconds', 'Time the oldest cut waits for its vault', ({ backlog }) => backlog / 1000);
  byMachine('newest_point_seconds', 'Time of the newest durable point, seconds since 1970', ({ newestPoint }) => newestPoint / 1000);
  return {
    received: (bytes) => received.inc(bytes),
    durable(bytes) {
      durable.inc();
      durableBytes.inc(bytes);
    },
  };
};
