import type { Counter, Gauge, Histogram } from 'prom-client';

/** What a metric is: its name gets the prefix `holdfast_`. */
export interface MetricOptions {
  /** snake_case with the unit at the end: "journal_bytes", "uploads_total". */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** The numbers of one program, served under /metrics in the Prometheus text format. */
export interface Metrics {
  /** Only grows; the name ends in `_total`. */
  counter(options: MetricOptions): Counter;
  /** Goes up and down; `collect` sets it whenever it is read. */
  gauge(options: MetricOptions & { readonly collect?: (gauge: Gauge) => void | Promise<void> }): Gauge;
  /** A distribution; `buckets` are upper bounds in its unit. */
  histogram(options: MetricOptions & { readonly buckets: readonly number[] }): Histogram;
  /** Everything, in the Prometheus text format. */
  text(): Promise<string>;
}
