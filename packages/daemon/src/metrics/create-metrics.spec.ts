import { createMetrics } from './create-metrics.ts';

describe('metrics', () => {
  it('are served in the text format, under one prefix, with the process beside them', async () => {
    const metrics = createMetrics('holdfast-x', '1.2.3');
    metrics.counter({ name: 'cuts_total', help: 'Cuts made', labels: ['kind'] }).inc({ kind: 'crash' }, 3);
    metrics.gauge({ name: 'journal_bytes', help: 'Bytes held', collect: (gauge) => gauge.set(42) });
    metrics.histogram({ name: 'cut_seconds', help: 'Time of a cut', buckets: [0.1, 1] }).observe(0.5);
    const text = await metrics.text();
    for (const line of [
      'holdfast_cuts_total{kind="crash"} 3',
      'holdfast_journal_bytes 42',
      'holdfast_cut_seconds_bucket{le="1"} 1',
      `holdfast_build_info{program="holdfast-x",version="1.2.3",node="${process.version}"} 1`,
      '# HELP holdfast_journal_bytes Bytes held',
    ])
      expect(text).toContain(line);
    expect(text).toContain('process_resident_memory_bytes');
  });

  it('of two programs in one process are apart', async () => {
    const [a, b] = [createMetrics('a', '1'), createMetrics('b', '1')];
    a.counter({ name: 'x_total', help: 'x' }).inc();
    b.counter({ name: 'x_total', help: 'x' }).inc(5);
    expect(await a.text()).toContain('holdfast_x_total 1');
    expect(await b.text()).toContain('holdfast_x_total 5');
  });
});
