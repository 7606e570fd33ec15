import { isSuccess, type Outcome } from '../outcome.ts';
import { summarize } from './report.ts';
import { reportOf, summary } from './summary.ts';

interface Faults {
  readonly resyncs: readonly string[];
  readonly lost: readonly number[];
  readonly damage: readonly string[];
}

const outcome = (good: boolean, { resyncs = [], lost = [], damage = [] }: Partial<Faults> = {}): Outcome => ({
  protection: { rpo: [1, 2, 3], copiedBytes: 1e9, copySeconds: 2 },
  figures: { changed: 100, sent: 50, points: [], skipped: 0, copying: undefined },
  kills: { agent: 1, processServer: 2 },
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
  lost,
  resyncs,
  vault: { storedBytes: 70, frames: 1234, damage },
  cpuSeconds: { agent: 1.23456, processServer: 2 },
});

describe('the last page', () => {
  it('says that all is good when it is', () => {
    const report = reportOf(outcome(true), 3);
    expect(report).toEqual({
      points: { made: 9, verified: 1, bad: 0 },
      resyncs: 0,
      kills: { agent: 1, processServer: 2 },
      rpoSeconds: { p50: 2, p95: 3, max: 3 },
      initial: { megabytesPerSecond: 500 },
      bytes: { changed: 100, sent: 50, stored: 70 },
      cpuSeconds: { agent: 1.23456, processServer: 2, supervisor: 3 },
    });
    const page = summary(outcome(true), report).join('\n');
    expect(page).toContain('The recovered point is exactly the machine');
    expect(page).not.toContain('BAD');
    expect(page).toMatch(/SIGKILL +agent once, process server 2 times; no disk was resynchronized/);
    expect(page).toMatch(/CPU +agent 1.2 s, process server 2.0 s, supervisor 3.0 s/);
  });

  it('names every fault and calls the run a failure', () => {
    const page = summary(outcome(false), reportOf(outcome(false), 3)).join('\n');
    expect(page).toMatch(/BAD: point .* ledger: row 4 is missing/);
    expect(page).toContain('The demonstration failed: 1 bad points');
  });

  it('calls a run a failure that had to resynchronize', () => {
    const run = outcome(true, { resyncs: ['disk 1: the trace was gone'] });
    const page = summary(run, reportOf(run, 3)).join('\n');
    expect(page).toContain('RESYNCHRONIZED: disk 1: the trace was gone');
    expect(page).toContain('The demonstration failed');
  });
});

describe('a run', () => {
  it.each<[string, Partial<Faults>, RegExp]>([
    ['a promised point is missing', { lost: [1_000_000] }, /BAD: point \d\d:16:40.000 was promised/],
    ['the vault is damaged', { damage: ['m/1/log/3: its tag is wrong'] }, /BAD: vault: .* its tag is wrong/],
    ['a disk was resynchronized', { resyncs: ['disk 1: the trace was gone'] }, /RESYNCHRONIZED: disk 1/],
  ])('fails when %s', (_, faults, words) => {
    const run = outcome(true, faults);
    expect(isSuccess(run)).toBe(false);
    expect(summary(run, reportOf(run, 3)).join('\n')).toMatch(words);
  });

  it('fails without any point', () => {
    expect(isSuccess({ ...outcome(true), checked: [] })).toBe(false);
    expect(isSuccess(outcome(true))).toBe(true);
  });
});

describe('samples', () => {
  it('are summarized by nearest rank', () => {
    const samples = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(summarize(samples)).toEqual({ p50: 50, p95: 95, max: 100 });
    expect(summarize([3])).toEqual({ p50: 3, p95: 3, max: 3 });
    expect(summarize([])).toEqual({ p50: null, p95: null, max: null });
  });
});
