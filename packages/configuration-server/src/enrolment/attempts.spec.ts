import { HoldfastError } from '@holdfast/errors';
import { createAttempts } from './attempts.ts';

const wrong = new HoldfastError('TOKEN_UNKNOWN', { thing: 'a', why: 'b', remedy: 'c' });

describe('wrong tokens', () => {
  it('are counted by place, within a minute', () => {
    let now = 0;
    const attempts = createAttempts(2, () => now);
    const code = (from: string): string => attempts.wrong(from, wrong).code;
    expect([code('a'), code('a'), code('a'), code('b')]).toEqual(['TOKEN_UNKNOWN', 'TOKEN_UNKNOWN', 'TOO_MANY_ATTEMPTS', 'TOKEN_UNKNOWN']);
    now = 59_999;
    expect(code('a')).toBe('TOO_MANY_ATTEMPTS');
    now = 60_000;
    expect([code('a'), code('a'), code('a')]).toEqual(['TOKEN_UNKNOWN', 'TOKEN_UNKNOWN', 'TOO_MANY_ATTEMPTS']);
  });

  it('of a kind that can be guessed are refused before they are looked at', () => {
    let now = 0;
    const attempts = createAttempts(2, () => now);
    attempts.wrong('a', wrong);
    attempts.guess('a').end();
    attempts.wrong('a', wrong);
    expect(() => attempts.guess('a')).toThrow('2 wrong secrets');
    attempts.guess('b').end();
    now = 60_000;
    attempts.guess('a').end();
  });

  it('that are compared at the same time are as many tries', () => {
    const attempts = createAttempts(2, () => 0);
    const [first, second] = [attempts.guess('a'), attempts.guess('a')];
    expect(() => attempts.guess('a')).toThrow('TOO_MANY_ATTEMPTS');
    // A right one gives its place back, a wrong one does not.
    first.end();
    first.end();
    second.wrong(wrong);
    second.end();
    attempts.guess('a').wrong(wrong);
    expect(() => attempts.guess('a')).toThrow('TOO_MANY_ATTEMPTS');
  });

  it('from one network of IPv6 are of one place', () => {
    const attempts = createAttempts(1, () => 0);
    attempts.wrong('2001:db8:1:2::1', wrong);
    expect(attempts.wrong('2001:db8:1:2:ffff::9', wrong).code).toBe('TOO_MANY_ATTEMPTS');
    expect(attempts.wrong('2001:db8:1:3::1', wrong).code).toBe('TOKEN_UNKNOWN');
  });

  it('from many places do not fill the memory, and the busiest is not forgotten', () => {
    const attempts = createAttempts(1, () => 0);
    attempts.wrong('busy', wrong);
    for (let index = 0; index < 30_000; index += 1) {
      attempts.wrong(`place ${index}`, wrong);
      if (index % 5000 === 0) expect(attempts.wrong('busy', wrong).code).toBe('TOO_MANY_ATTEMPTS');
    }
    expect(attempts.wrong('place 0', wrong).code).toBe('TOKEN_UNKNOWN');
  });
});
