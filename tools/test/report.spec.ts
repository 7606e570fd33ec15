import type { Outcome, Stage } from './outcome.ts';
import { formatReport } from './report.ts';

const outcome = (status: Outcome['status'], name: string, more: Partial<Outcome> = {}): Outcome => ({ of: 'vault', name, status, ...more });

const STAGES: Stage[] = [
  { name: 'lint', seconds: 0.25, outcomes: [{ of: 'checks', name: 'lint and format', status: 'passed' }] },
  {
    name: 'test',
    seconds: 12,
    outcomes: [
      outcome('passed', 'a', { cached: true }),
      outcome('passed', 'b'),
      outcome('skipped', 'c', { why: 'needs root' }),
      outcome('failed', 'd', { why: 'expected 1\nreceived 2' }),
    ],
  },
];

describe('the report', () => {
  const lines = formatReport(STAGES).split('\n');

  it('ends with the counts alone on the last line', () => {
    expect(lines.at(-1)).toBe('3 passed, 1 failed, 1 skipped');
    expect(lines.filter((line) => /^\d+ passed, \d+ failed, \d+ skipped$/.test(line))).toHaveLength(1);
  });

  it('names what was skipped and what failed, with the reason', () => {
    expect(lines.join('\n')).toContain('skipped (1):\n  vault  c\n      needs root');
    expect(lines.join('\n')).toContain('failed (1):\n  vault  d\n      expected 1\n      received 2');
  });

  it('counts per project and marks what came from the cache', () => {
    expect(lines).toContain('  vault  2 passed, 1 failed, 1 skipped (1 from the cache of nx)');
  });

  it('gives the time of every stage before the counts', () => {
    expect(lines.at(-2)).toBe('time: lint 0.3 s, test 12.0 s; total 12.3 s');
  });

  it('has no empty sections', () => {
    const calm = formatReport([{ name: 'test', seconds: 1, outcomes: [outcome('passed', 'a')] }]);
    expect(calm).not.toMatch(/skipped \(|failed \(/);
  });
});
