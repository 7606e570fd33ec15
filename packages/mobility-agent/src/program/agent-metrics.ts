import type { Metrics } from '@holdfast/daemon';
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
  ['pending_cuts', 'Cuts that are not durable', ({ pendingCuts }) => pendingCuts],
  ['log_quota_bytes', "Most bytes the agent's log may take", ({ logQuotaBytes }) => logQuotaBytes],
  ['newest_point_seconds', 'Instant of the newest durable point, seconds since 1970', ({ newestPoint }) => newestPoint / 1000],
  ['connected', '1 while there is a stream to a process server', ({ sender }) => (sender?.state === 'connected' ? 1 : 0)],
  ['disks_protected', 'Disks that are protected', ({ disks }) => disks.filter(({ phase }) => phase > 1).length],
] as const satisfies readonly (readonly [string, string, (status: EngineStatus) => number])[];

/** The figures of an engine; the returned function brings the counters up to date. */
export const createAgentMetrics = (metrics: Metrics, engine: Engine): (() => void) => {
  for (const [name, help, read] of FIGURES)
    metrics.gauge({ name: `agent_${name}`, help, collect: (gauge) => gauge.set(read(engine.status)) });
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
