import { formatBytes, parseBytes } from './quantities.ts';

/** When, and how many bytes a second at most; 0: as many as there are. */
export interface WrittenBandwidthRule {
  /** Weekdays from 1 (Monday) to 7, none for all; minutes from midnight, the last one not included. Undefined: always. */
  readonly window: { readonly weekdays: number[]; readonly fromMinute: number; readonly toMinute: number } | undefined;
  readonly bytesPerSecond: bigint;
}

/** What a rule looks like. */
export const BANDWIDTH_RULE = '[DAYS] [HH:MM-HH:MM] BYTES, such as "mon-fri 08:00-18:00 2MiB", "sat+sun unlimited" or "20MiB"';

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const DAY_MINUTES = 1440;
/** Below this a frame would take longer to send than a stream may be silent. */
const LEAST = 16 * 1024;

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

/** Reads one rule. Throws an Error that says what is wrong. */
export const parseBandwidthRule = (text: string): WrittenBandwidthRule => {
  const words = text.trim().toLowerCase().split(/\s+/);
  const rate = words.pop()!;
  const bytes = rate === 'unlimited' ? 0 : parseBytes(text.trim().split(/\s+/).at(-1)!);
  if (bytes !== 0 && bytes < LEAST) throw new Error(`less than ${LEAST} bytes a second`);
  if (rate !== 'unlimited' && bytes === 0) throw new Error('none at all: pause the copy or the protection instead');
  const times = /\d/.test(words.at(-1) ?? '') ? words.pop() : undefined;
  const days = words.pop();
  if (words.length > 0) throw new Error(`it is not ${BANDWIDTH_RULE}`);
  if (times === undefined && days === undefined) return { window: undefined, bytesPerSecond: BigInt(bytes) };
  return {
    window: {
      weekdays: days === undefined ? [] : parseDays(days),
      ...(times === undefined ? { fromMinute: 0, toMinute: DAY_MINUTES } : parseTimes(times)),
    },
    bytesPerSecond: BigInt(bytes),
  };
};

const clock = (minute: number): string => `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;

/** As `parseBandwidthRule` takes it. */
export const formatBandwidthRule = ({ window, bytesPerSecond }: WrittenBandwidthRule): string =>
  [
    ...(window === undefined || window.weekdays.length === 0 ? [] : [window.weekdays.map((day) => DAYS[day - 1] ?? '?').join('+')]),
    ...(window === undefined ? [] : [`${clock(window.fromMinute)}-${clock(window.toMinute)}`]),
    bytesPerSecond === 0n ? 'unlimited' : formatBytes(Number(bytesPerSecond)),
  ].join(' ');
