import { createBackOff } from './back-off.ts';

describe('the wait before a restart', () => {
  it('doubles up to the longest, and begins again after a long life', () => {
    const { next } = createBackOff({ first: 1000, longest: 5000, forget: 60_000 });
    expect([next(0), next(0), next(59_999), next(0), next(0)]).toEqual([1000, 2000, 4000, 5000, 5000]);
    expect([next(60_000), next(0)]).toEqual([1000, 2000]);
  });
});
