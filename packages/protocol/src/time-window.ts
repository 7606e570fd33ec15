import type { TimeWindow } from './gen/holdfast/v1/control_pb.ts';

const DAY = 1440;

/** Whether an instant lies in a window, by the clock and the time zone of this machine. */
export const isWithin = (
  { weekdays, fromMinute, toMinute }: Pick<TimeWindow, 'weekdays' | 'fromMinute' | 'toMinute'>,
  instant: Date,
): boolean => {
  const minute = instant.getHours() * 60 + instant.getMinutes();
  // 1 is Monday, 7 Sunday.
  const today = instant.getDay() || 7;
  const yesterday = today === 1 ? 7 : today - 1;
  const isDay = (day: number): boolean => weekdays.length === 0 || weekdays.includes(day);
  if (fromMinute < toMinute) return isDay(today) && minute >= fromMinute && minute < toMinute;
  // It ends on the day after the one it began on.
  return (isDay(today) && minute >= fromMinute) || (isDay(yesterday) && minute < toMinute);
};

/** Why a window is none; undefined when it is one. */
export const windowProblem = ({
  weekdays,
  fromMinute,
  toMinute,
}: Pick<TimeWindow, 'weekdays' | 'fromMinute' | 'toMinute'>): string | undefined => {
  if (weekdays.length > 7 || weekdays.some((day) => !Number.isInteger(day) || day < 1 || day > 7))
    return 'its days are not from 1 (Monday) to 7';
  if (new Set(weekdays).size !== weekdays.length) return 'it names a day twice';
  if (fromMinute >= DAY || toMinute > DAY) return `its minutes are not within a day of ${DAY}`;
  return undefined;
};
