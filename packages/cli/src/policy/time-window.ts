import { HoldfastError } from '@holdfast/errors';
import { type TimeWindow, windowProblem } from '@holdfast/protocol';

type Window = Pick<TimeWindow, 'weekdays' | 'fromMinute' | 'toMinute'>;

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const FORM = /^(?:([a-z,-]+) )?(\d\d):(\d\d)-(\d\d):(\d\d)$/;

const dayOf = (word: string): number => DAYS.indexOf(word) + 1;

/** `mon-fri`, `sat,sun`, `fri-mon`: the numbers of the days; undefined for anything else. */
const daysOf = (words: string): number[] | undefined => {
  const days = words.split(',').flatMap((part) => {
    const [first, last = first, ...more] = part.split('-').map(dayOf);
    if (first === undefined || last === undefined || first === 0 || last === 0 || more.length > 0) return [0];
    const count = ((last - first + 7) % 7) + 1;
    return Array.from({ length: count }, (_, at) => ((first - 1 + at) % 7) + 1);
  });
  return days.includes(0) ? undefined : days;
};

/** `mon-fri 18:00-06:00`, `22:00-24:00`. Error: SETTING_INVALID. */
export const parseWindow = (text: string): Window => {
  const [, words, ...digits] = FORM.exec(text.trim().toLowerCase().replaceAll(/\s+/g, ' ')) ?? [];
  const [fromHour, fromMinute, toHour, toMinute] = digits.map(Number);
  const weekdays = words === undefined ? [] : daysOf(words);
  const window = { weekdays: weekdays ?? [0], fromMinute: fromHour! * 60 + fromMinute!, toMinute: toHour! * 60 + toMinute! };
  const isTime = digits.length === 4 && fromMinute! < 60 && toMinute! < 60;
  if (isTime && windowProblem(window) === undefined) return window;
  throw new HoldfastError('SETTING_INVALID', {
    thing: JSON.stringify(text),
    why: isTime ? (windowProblem(window) ?? '') : 'it is no part of a day',
    remedy: "give one like 'mon-fri 18:00-06:00', 'sat,sun 00:00-24:00' or 22:00-24:00",
  });
};

const clock = (minute: number): string => `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;

/** As `parseWindow` takes it. */
export const formatWindow = ({ weekdays, fromMinute, toMinute }: Window): string =>
  `${weekdays.length === 0 ? '' : `${weekdays.map((day) => DAYS[day - 1] ?? '?').join(',')} `}${clock(fromMinute)}-${clock(toMinute)}`;
