import type { Outcome } from '../outcome.ts';
import { formatBytes, formatRate, formatSeconds } from './format.ts';
import { liveLine, progressBar } from './progress.ts';
import { summarize } from './report.ts';
import { createScreen } from './screen.ts';
import { reportOf, summary } from './summary.ts';
import { table } from './table.ts';

const collect = (isTTY: boolean, now?: () => number) => {
  const written: string[] = [];
  const stream = { isTTY, columns: 60, write: (text: string) => written.push(text) };
  return { screen: createScreen(stream, now), text: () => written.join('') };
};

describe('numbers for people', () => {
  it('have few digits and a unit', () => {
    expect([0, 1023, 1024, 1536, 800 * 2 ** 20, 1.5 * 2 ** 30].map(formatBytes)).toEqual([
      '0 bytes',
      '1023 bytes',
      '1.0 KiB',
      '1.5 KiB',
      '800 MiB',
      '1.5 GiB',
    ]);
    expect([0, 1.25e6, 83.4e6].map(formatRate)).toEqual(['0.0 MB/s', '1.3 MB/s', '83 MB/s']);
    expect([0.44, 12.4, 200, 7500].map(formatSeconds)).toEqual(['0.4 s', '12 s', '3 min 20 s', '2 h 5 min']);
  });

  it('are summarized by nearest rank', () => {
    const samples = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(summarize(samples)).toEqual({ p50: 50, p95: 95, max: 100 });
    expect(summarize([3])).toEqual({ p50: 3, p95: 3, max: 3 });
    expect(summarize([])).toEqual({ p50: null, p95: null, max: null });
  });
});

describe('progress', () => {
  it('tells bytes, speed and time left', () => {
    const bar = progressBar('first copy', { done: 512 * 2 ** 20, total: 1024 * 2 ** 20, seconds: 2 });
    expect(bar).toBe('first copy [##############--------------] 50 %  512 MiB of 1.0 GiB  268 MB/s  2.0 s left');
    expect(progressBar('first copy', { done: 0, total: 10, seconds: 0 })).toContain('time left unknown');
    expect(progressBar('first copy', { done: 10, total: 10, seconds: 1 })).toContain('100 %');
  });

  it('tells RPO, churn, sent and changed, points', () => {
    const figures = { secondsLeft: 41, rpoSeconds: 2.43, churn: 8.1e6, sent: 31 * 2 ** 20, changed: 58 * 2 ** 20, points: 7 };
    expect(liveLine(figures)).toBe('RPO 2.4 s | churn 8.1 MB/s | sent 31.0 MiB for 58.0 MiB changed | 7 points | 41 s left');
    expect(liveLine({ ...figures, rpoSeconds: undefined, points: 1 })).toMatch(/^RPO none yet .* 1 point /);
  });
});

describe('the screen', () => {
  it('redraws one line on a terminal, never wider than it, and ends it before the next', () => {
    const { screen, text } = collect(true);
    screen.status('live', 'x'.repeat(200));
    screen.status('live', 'second');
    screen.line('stays');
    expect(text()).toBe(`\r\u001b[2K${'x'.repeat(59)}\r\u001b[2Ksecond\nstays\n`);
  });

  it('writes plain lines elsewhere, each topic at most every ten seconds', () => {
    let time = 0;
    const { screen, text } = collect(false, () => time);
    for (time = 0; time < 21_000; time += 1000) {
      screen.status('copy', `copy ${time}`);
      screen.status('live', `live ${time}`);
    }
    screen.settle();
    expect(text()).toBe('copy 0\nlive 0\ncopy 10000\nlive 10000\ncopy 20000\nlive 20000\n');
  });
});

describe('tables', () => {
  it('are as wide as their widest cells', () => {
    expect(
      table(
        ['point', 'rows'],
        [
          ['1', '12,000'],
          ['22', '5'],
        ],
        ['rows'],
      ),
    ).toEqual(['point    rows', '-----  ------', '1      12,000', '22          5']);
  });
});

const outcome = (good: boolean, resyncs: readonly string[] = []): Outcome => ({
  protection: { rpo: [1, 2, 3], copiedBytes: 1e9, copySeconds: 2 },
  figures: { changed: 100, sent: 50, points: [], skipped: [], kills: 1, resyncs, copying: undefined, cpuSeconds: 0 },
  checked: [
    {
      id: 'p',
      time: 0,
      chosen: 'newest',
      good,
      verdicts: [
        { check: 'NBD = raw', good: true, says: 'identical', faults: [] },
        { check: 'ledger', good, says: 'rows to 17', faults: good ? [] : ['row 4 is missing'] },
      ],
    },
  ],
  made: 9,
  resyncs,
  storedBytes: 70,
  cpuSeconds: { agent: 1.23456 },
});

describe('the last page', () => {
  it('says that all is good when it is', () => {
    const report = reportOf(outcome(true), 3);
    expect(report).toEqual({
      points: { made: 9, verified: 1, bad: 0 },
      resyncs: 0,
      kills: 1,
      rpoSeconds: { p50: 2, p95: 3, max: 3 },
      initial: { megabytesPerSecond: 500 },
      bytes: { changed: 100, sent: 50, stored: 70 },
      cpuSeconds: { agent: 1.23456, supervisor: 3 },
    });
    const page = summary(outcome(true), report).join('\n');
    expect(page).toContain('The recovered point is exactly the machine');
    expect(page).not.toContain('BAD');
  });

  it('names every fault and calls the run a failure', () => {
    const page = summary(outcome(false), reportOf(outcome(false), 3)).join('\n');
    expect(page).toMatch(/BAD: point .* ledger: row 4 is missing/);
    expect(page).toContain('1 of 1 recovered points bad');
  });

  it('calls a run a failure that had to resynchronize', () => {
    const run = outcome(true, ['disk 1: the trace was gone']);
    const page = summary(run, reportOf(run, 3)).join('\n');
    expect(page).toContain('RESYNCHRONIZED: disk 1: the trace was gone');
    expect(page).toContain('the demonstration failed');
  });
});
