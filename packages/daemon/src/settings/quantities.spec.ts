import fc from 'fast-check';
import { formatBytes, formatDuration, parseBytes, parseDuration } from './quantities.ts';

describe('amounts of bytes', () => {
  it.each([
    ['0B', 0],
    ['1 KiB', 1024],
    ['64MiB', 64 * 1024 ** 2],
    ['1.5GiB', 1.5 * 1024 ** 3],
    ['2TB', 2e12],
    ['10 kB', 10_000],
  ])('%s is %d', (text, value) => {
    expect(parseBytes(text)).toBe(value);
  });

  it.each([
    '',
    '5',
    'MiB',
    '-1MiB',
    '1mib',
    '1 MiB ',
    '1e3B',
    '0x10B',
    '9999999999TB',
    `${'9'.repeat(17)}B`,
    '0.3B',
    '1,5GiB',
    '1toString',
  ])('%j is none', (text) => {
    expect(() => parseBytes(text)).toThrow(/^it is not/);
  });

  it('are read back as they are written', () => {
    fc.assert(fc.property(fc.nat({ max: 2 ** 50 }), (value) => parseBytes(formatBytes(value)) === value));
    expect(formatBytes(3 * 1024 ** 3)).toBe('3GiB');
    expect(formatBytes(0)).toBe('0B');
  });
});

describe('durations', () => {
  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['5 min', 300_000],
    ['24h', 86_400_000],
    ['1.5h', 5_400_000],
    ['7d', 604_800_000],
  ])('%s is %d milliseconds', (text, value) => {
    expect(parseDuration(text)).toBe(value);
  });

  it.each(['30', '30 seconds', '5m', 's', '-5s', '0.0001ms'])('%j is none', (text) => {
    expect(() => parseDuration(text)).toThrow(/^it is not/);
  });

  it('are read back as they are written', () => {
    fc.assert(fc.property(fc.nat({ max: 10 ** 11 }), (value) => parseDuration(formatDuration(value)) === value));
    expect(formatDuration(90_000)).toBe('90s');
    expect(formatDuration(86_400_000)).toBe('1d');
  });
});
