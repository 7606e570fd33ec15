import { formatBandwidthRule, parseBandwidthRule } from './bandwidth-rule.ts';

const MIB = 1024n * 1024n;

describe('a bandwidth rule', () => {
  it.each([
    ['20MiB', { window: undefined, bytesPerSecond: 20n * MIB }],
    ['unlimited', { window: undefined, bytesPerSecond: 0n }],
    ['mon-fri 08:00-18:00 2MiB', { window: { weekdays: [1, 2, 3, 4, 5], fromMinute: 480, toMinute: 1080 }, bytesPerSecond: 2n * MIB }],
    ['22:00-06:00 unlimited', { window: { weekdays: [], fromMinute: 1320, toMinute: 360 }, bytesPerSecond: 0n }],
    ['sat+sun 64KiB', { window: { weekdays: [6, 7], fromMinute: 0, toMinute: 1440 }, bytesPerSecond: 65_536n }],
    ['Fri-Mon+Wed 00:00-24:00 1MiB', { window: { weekdays: [1, 3, 5, 6, 7], fromMinute: 0, toMinute: 1440 }, bytesPerSecond: MIB }],
  ])('%s', (text, rule) => {
    expect(parseBandwidthRule(text)).toEqual(rule);
    expect(parseBandwidthRule(formatBandwidthRule(rule))).toEqual(rule);
  });

  it.each([
    '',
    'fast',
    '0',
    '1KiB',
    'someday 1MiB',
    '25:00-26:00 1MiB',
    '08:00-08:00 1MiB',
    '08:70-09:00 1MiB',
    '24:00-06:00 1MiB',
    'mon tue 08:00-09:00 1MiB',
    '08:00 1MiB',
    'mon- 1MiB',
  ])('%s is none', (text) => {
    expect(() => parseBandwidthRule(text)).toThrow();
  });
});
