import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { MetricOptions, Metrics } from './metrics.ts';

const PREFIX = 'holdfast_';

/** A registry of its own for one program, with the process's own figures and a line that says which version runs. */
export const createMetrics = (program: string, version: string): Metrics => {
  const registry = new Registry();
  const prepare = ({ name, help, labels }: MetricOptions) => ({
    name: PREFIX + name,
    help,
    labelNames: [...(labels ?? [])],
    registers: [registry],
  });
  collectDefaultMetrics({ register: registry });
  new Gauge({ ...prepare({ name: 'build_info', help: 'Always 1; the labels say what runs', labels: ['program', 'version', 'node'] }) }).set(
    { program, version, node: process.version },
    1,
  );
  return {
    counter: (options) => new Counter(prepare(options)),
    gauge: ({ collect, ...options }) =>
      new Gauge({
        ...prepare(options),
        ...(collect === undefined
          ? {}
          : {
              collect(this: Gauge) {
                return collect(this);
              },
            }),
      }),
    histogram: ({ buckets, ...options }) => new Histogram({ ...prepare(options), buckets: [...buckets] }),
    text: () => registry.metrics(),
  };
};
