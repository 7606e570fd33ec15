import { formatWindow } from '@holdfast/daemon';
import { parseWindow } from './time-window.ts';

describe('a window on the command line', () => {
  it.each([
    ['mon-fri 18:00-06:00', { weekdays: [1, 2, 3, 4, 5], fromMinute: 1080, toMinute: 360 }, 'mon+tue+wed+thu+fri 18:00-06:00'],
    ['Sat,SUN', { weekdays: [6, 7], fromMinute: 0, toMinute: 1440 }, 'sat+sun 00:00-24:00'],
    ['fri-mon 01:30-02:00', { weekdays: [1, 5, 6, 7], fromMinute: 90, toMinute: 120 }, 'mon+fri+sat+sun 01:30-02:00'],
    ['22:00-24:00', { weekdays: [], fromMinute: 1320, toMinute: 1440 }, '22:00-24:00'],
  ])('%s', (text, window, told) => {
    expect(parseWindow(text)).toEqual(window);
    expect(formatWindow(window)).toBe(told);
    expect(parseWindow(told)).toEqual(window);
  });

  it.each(['', 'always', '8-17', 'mun 08:00-09:00', '24:00-01:00', '08:60-09:00', '08:00-25:00', '08:00-08:00', 'mon tue 08:00-09:00'])(
    'is not %p',
    (text) => {
      expect(() => parseWindow(text)).toThrow('SETTING_INVALID');
    },
  );
});
