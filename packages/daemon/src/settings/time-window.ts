/** A part of each of some days: weekdays from 1 (Monday) to 7, none for all; minutes from midnight, the last one not included. */
export interface WrittenWindow {
  readonly weekdays: number[];
  readonly fromMinute: number;
  readonly toMinute: number;
}

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const DAY_MINUTES = 1440;
const dayOf = (word: string): number => {
  const day = DAYS.indexOf(word) + 1;
  if (day === 0) throw new Error(`${word} is no day: mon, tue, wed, thu, fri, sat, sun`);
  return day;
};

/** "mon-fri+sun"; where no list is made of it, commas do as well. */
const parseDays = (text: string): number[] => {
  const days = text.split(/[+,]/).flatMap((part) => {
    const [first, last = first] = part.split('-', 2).map(dayOf);
    // From friday to monday is over the end of the week.
    return Array.from({ length: ((last! - first! + 7) % 7) + 1 }, (_, index) => ((first! - 1 + index) % 7) + 1);
  });
  return [...new Set(days)].sort();
};

const parseMinute = (text: string): number => {
  const [, hours, minutes] = /^(\d\d):(\d\d)$/.exec(text) ?? [];
  const minute = Number(hours) * 60 + Number(minutes);
  if (!(minute <= DAY_MINUTES) || Number(minutes) > 59) throw new Error(`${text} is no time of the day`);
  return minute;
};

const parseTimes = (text: string): { readonly fromMinute: number; readonly toMinute: number } => {
  const [from, to] = text.split('-', 2).map(parseMinute);
  if (to === undefined) throw new Error(`${text} is no part of a day`);
  if (from === to) throw new Error(`${text} is no time at all`);
  if (from === DAY_MINUTES) throw new Error(`${text} begins at the end of the day`);
  return { fromMinute: from!, toMinute: to };
};

/** Reads `[DAYS] [HH:MM-HH:MM]`: "mon-fri 18:00-06:00", "sat+sun", "22:00-24:00"; undefined for nothing. Throws an Error that says what is wrong. */
export const parseWindow = (text: string): WrittenWindow | undefined => {
  const words = text
    .trim()
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const times = /\d/.test(words.at(-1) ?? '') ? words.pop() : undefined;
  const days = words.pop();
  if (words.length > 0) throw new Error('it has more than days and a part of the day');
  if (times === undefined && days === undefined) return undefined;
  return {
    weekdays: days === undefined ? [] : parseDays(days),
    ...(times === undefined ? { fromMinute: 0, toMinute: DAY_MINUTES } : parseTimes(times)),
  };
};

const clock = (minute: number): string => `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;

/** As `parseWindow` takes it. */
export const formatWindow = ({ weekdays, fromMinute, toMinute }: WrittenWindow): string =>
  [
    ...(weekdays.length === 0 ? [] : [weekdays.map((day) => DAYS[day - 1] ?? '?').join('+')]),
    `${clock(fromMinute)}-${clock(toMinute)}`,
  ].join(' ');
