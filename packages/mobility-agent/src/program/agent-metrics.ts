import type { Metrics } from '@holdfast/daemon';
import { CHURN_BOUNDS } from '../engine/churn.ts';
import type { Engine, EngineStatus } from '../engine/engine.ts';

const TOTALS = [
  ['points_total', 'Recovery points committed', ({ points }) => points],
  ['cut_conflicts_total', 'Cuts that did not converge', ({ conflicts }) => conflicts],
  ['changed_bytes_total', 'Bytes of disk in committed cuts', ({ changedBytes }) => changedBytes],
  ['checked_blocks_total', 'Blocks nobody wrote to that were compared with the vault', ({ checkedBlocks }) => checkedBlocks],
  ['sent_bytes_total', 'Bytes of payload sent to process servers', ({ sentBytes }) => sentBytes],
] as const satisfies readonly (readonly [string, string, (status: EngineStatus) => number])[];

const FIGURES = [
  ['rpo_seconds', 'Age of the newest state that is durable; NaN before the first', ({ rpoSeconds }) => rpoSeconds ?? Number.NaN],
  ['durable_points', 'Recovery points that became durable in the vault, ever', ({ durablePoints }) => durablePoints],
  ['pending_bytes', "Bytes in the agent's log that are not durable", ({ pendingBytes }) => pendingBytes],
  ['source_bytes', 'Bytes of disk in cuts that are on no process server yet', ({ sourceBytes }) => sourceBytes],
  ['without_server_seconds', 'Time without a stream to a process server', ({ sender }) => (sender?.without ?? 0) / 1000],
  ['peak_churn_bytes_per_second', 'Most that changed in a second since the start', ({ peakChurn }) => peakChurn],
  ['pending_cuts', 'Cuts that are not durable', ({ pendingCuts }) => pendingCuts],
  ['log_quota_bytes', "Most bytes the agent's log may take", ({ logQuotaBytes }) => logQuotaBytes],
  ['newest_point_seconds', 'Instant of the newest durable point, seconds since 1970', ({ newestPoint }) => newestPoint / 1000],
  ['connected', '1 while there is a stream to a process server', ({ sender }) => (sender?.state === 'connected' ? 1 : 0)],
  ['disks_protected', 'Disks that are protected', ({ disks }) => disks.filter(({ phase }) => phase > 1).length],
] as const satisfies readonly (readonly [string, string, (status: EngineStatus) => number])[];

/** "54 MB/s", and "more" for the last one. */
const boundOf = (index: number): string => {
  const bound = CHURN_BOUNDS[index];
  return bound === undefined ? 'more' : `${bound / 1_000_000} MB/s`;
};

/** The figures of an engine; the returned function brings the counters up to date. */
export const createAgentMetrics = (metrics: Metrics, engine: Engine): (() => void) => {
  for (const [name, help, read] of FIGURES)
    metrics.gauge({ name: `agent_${name}`, help, collect: (gauge) => gauge.set(read(engine.status)) });
  metrics.gauge({
    name: 'agent_churn_seconds',
    help: 'Seconds since the start in which so much of the disks changed, by megabytes a second; each is told once',
    labels: ['below'],
    collect(gauge) {
      for (const [index, seconds] of engine.status.churnSeconds.entries()) gauge.set({ below: boundOf(index) }, seconds);
    },
  });
  const totals = TOTALS.map(([name, help, read]) => ({ read, before: 0, counter: metrics.counter({ name: `agent_${name}`, help }) }));
  return () => {
    const { status } = engine;
    for (const total of totals) {
      const value = total.read(status);
      total.counter.inc(Math.max(0, value - total.before));
      total.before = value;
    }
  };
};
