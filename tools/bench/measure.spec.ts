import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpuSeconds, cpuSecondsOf } from './cpu.ts';
import { comparePairs, measureThroughput, type Side } from './measure.ts';

/** Keeps a processor busy for some milliseconds of its own time. */
const BURN = 'const end = process.cpuUsage().user + 300000; while (process.cpuUsage().user < end);';

describe('comparePairs', () => {
  const side = (name: string, order: string[], samples: number[], cpu?: number): Side => ({
    name,
    run: async () => {
      order.push(name);
      const value = samples.shift()!;
      return cpu === undefined ? { value } : { value, cpuPerGigabyte: cpu };
    },
  });

  it('takes turns, changes who begins, and does not count the first turn', async () => {
    const order: string[] = [];
    const ours = side('A', order, [1e9, 10, 20, 30, 40, 50]);
    const theirs = side('B', order, [1, 10, 10, 10, 10, 10]);
    const rows = await comparePairs({ measure: 'm', unit: 'u', ours, theirs, pairs: 5 });
    expect(order.join('')).toBe('ABBAABBAABBA');
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ measure: 'm', value: 30, against: 'B', ratio: 3, spread: [1, 5] });
  });

  it('adds a row for the CPU time when both sides know theirs', async () => {
    const samples = () => [1, 1, 1, 1, 1, 1];
    const both = await comparePairs({
      measure: 'm',
      unit: 'u',
      ours: side('A', [], samples(), 3),
      theirs: side('B', [], samples(), 2),
      pairs: 5,
    });
    expect(both[1]).toMatchObject({ measure: 'm: CPU', unit: 's/GB', value: 3, against: 'B', ratio: 1.5 });
    const one = await comparePairs({
      measure: 'm',
      unit: 'u',
      ours: side('A', [], samples(), 3),
      theirs: side('B', [], samples()),
      pairs: 5,
    });
    expect(one).toHaveLength(1);
  });

  it('refuses fewer than five pairs', async () => {
    await expect(comparePairs({ measure: 'm', unit: 'u', ours: side('A', [], []), theirs: side('B', [], []), pairs: 4 })).rejects.toThrow(
      'at least 5 pairs',
    );
  });
});

describe('CPU time', () => {
  it('of this process grows with its own work and not with waiting', async () => {
    const before = cpuSeconds();
    const end = process.cpuUsage().user + 100_000;
    while (process.cpuUsage().user < end);
    expect(cpuSeconds() - before).toBeGreaterThanOrEqual(0.09);
  });

  it.unless(process.platform === 'linux' ? undefined : 'needs /proc', 'includes children that have ended', async () => {
    const { cpuPerGigabyte } = await measureThroughput(1e9, () => execFileSync(process.execPath, ['-e', BURN]));
    expect(cpuPerGigabyte).toBeGreaterThanOrEqual(0.28);
  });

  it.unless(process.platform === 'linux' ? undefined : 'needs /proc', 'of a running process is read while it runs', async () => {
    const child = spawn(process.execPath, ['-e', `${BURN} console.log('burnt'); setInterval(() => {}, 1000);`]);
    try {
      await once(child.stdout, 'data');
      expect(cpuSecondsOf(child.pid!)).toBeGreaterThanOrEqual(0.28);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
