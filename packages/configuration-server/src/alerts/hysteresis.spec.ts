import type { AlertCode } from './alert-codes.ts';
import { createHysteresis } from './hysteresis.ts';

type Found = { id: string; code: AlertCode; severity: 'warning' | 'critical'; text: string };
const found = (severity: Found['severity'], code: AlertCode = 'journal-filling'): Found => ({ id: code, code, severity, text: '' });

describe('hysteresis', () => {
  it('keeps what wavers around a threshold until it is calm', () => {
    let now = 0;
    const steady = createHysteresis<Found>(60_000, () => now);
    const severities: (string | undefined)[] = [];
    for (; now < 300_000; now += 5000) severities.push(steady(now % 10_000 === 0 ? [found('warning')] : [])[0]?.severity);
    expect(new Set(severities)).toEqual(new Set(['warning']));
    now = 290_000 + 59_999;
    expect(steady([])).toHaveLength(1);
    now = 290_000 + 60_000;
    expect(steady([])).toEqual([]);
  });

  it('grows at once, and lessens when it has not been so grave for a while', () => {
    let now = 0;
    const steady = createHysteresis<Found>(60_000, () => now);
    expect(steady([found('warning')])[0]!.severity).toBe('warning');
    expect(steady([found('critical')])[0]!.severity).toBe('critical');
    now = 59_999;
    expect(steady([found('warning')])[0]!.severity).toBe('critical');
    now = 60_000;
    expect(steady([found('warning')])[0]!.severity).toBe('warning');
  });

  it('follows states as they are', () => {
    const steady = createHysteresis<Found>(60_000, () => 0);
    expect(steady([found('warning', 'resynchronizing')])).toHaveLength(1);
    expect(steady([])).toEqual([]);
  });
});
