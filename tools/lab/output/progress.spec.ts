import { liveLine, progressBar } from './progress.ts';

describe('progress', () => {
  it('tells bytes, speed and time left', () => {
    const bar = progressBar('first copy', { done: 512 * 2 ** 20, total: 1024 * 2 ** 20, seconds: 2 });
    expect(bar).toBe('first copy [##########----------] 50 %  512 MiB of 1.0 GiB  268 MB/s  2.0 s left');
    expect(progressBar('first copy', { done: 0, total: 10, seconds: 0 })).toContain('time left unknown');
    expect(progressBar('first copy', { done: 10, total: 10, seconds: 1 })).toContain('100 %');
  });

  it('tells RPO, churn, sent and changed, points', () => {
    const figures = { secondsLeft: 41, rpoSeconds: 2.43, churn: 8.1e6, sent: 31 * 2 ** 20, changed: 58 * 2 ** 20, points: 7 };
    expect(liveLine(figures)).toBe('RPO 2.4 s | churn 8.1 MB/s | sent 31 MiB for 58 MiB changed | 7 points | 41 s left');
    expect(liveLine({ ...figures, rpoSeconds: undefined, points: 1 })).toMatch(/^RPO none yet .* 1 point /);
  });
});
