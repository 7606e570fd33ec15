import { createCallPace, retryAfter } from './call-pace.ts';

const outcome = (work: () => void): string => {
  try {
    work();
    return 'taken';
  } catch (error) {
    return `${(error as { code: string }).code}, again in ${retryAfter(error)} s`;
  }
};

describe('the pace of calls', () => {
  it('lets many through at once, and so many a second for long, each caller by itself', () => {
    let now = 0;
    const pace = createCallPace('person', 10, () => now);
    const take = (who: string): string => outcome(() => pace.require(who));
    expect(new Set(Array.from({ length: 40 }, () => take('a')))).toEqual(new Set(['taken']));
    expect([take('a'), take('b')]).toEqual(['TOO_MANY_CALLS, again in 1 s', 'taken']);
    now = 1000;
    expect(Array.from({ length: 12 }, () => take('a')).filter((one) => one === 'taken')).toHaveLength(10);
    // Being refused does not make it longer.
    for (let index = 0; index < 1000; index += 1) take('a');
    now = 2000;
    expect(take('a')).toBe('taken');
    expect(retryAfter(new Error('another'))).toBeUndefined();
  });

  it('forgets the oldest of many callers, not the busiest', () => {
    const pace = createCallPace('address', 1, () => 0);
    for (let index = 0; index < 4; index += 1) pace.require('busy');
    for (let index = 0; index < 30_000; index += 1) {
      pace.require(`place ${index}`);
      if (index % 5000 === 0) expect(outcome(() => pace.require('busy'))).toContain('TOO_MANY_CALLS');
    }
  });
});
