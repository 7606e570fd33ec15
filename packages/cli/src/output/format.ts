const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `1.5 GiB`, `312 MiB`, `17 B`. */
export const formatBytes = (bytes: number): string => {
  let value = bytes;
  let unit = 0;
  // 1023.6 KiB would be rounded to 1024 KiB.
  while (Math.round(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
};

/** Megabytes, as link and disk speeds are told: `83 MB/s`. */
export const formatRate = (bytesPerSecond: number): string => {
  const megabytes = bytesPerSecond / 1e6;
  return `${megabytes >= 9.95 ? Math.round(megabytes) : megabytes.toFixed(1)} MB/s`;
};

/** `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export const formatSeconds = (seconds: number): string => {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
};

/** UTC with milliseconds, as `--point` takes it: `2026-11-22T01:02:03.250Z`. A time no calendar has is told as a number. */
export const formatTime = (milliseconds: number): string =>
  Math.abs(milliseconds) <= 8.64e15 ? new Date(milliseconds).toISOString() : `${milliseconds} ms`;

/** `1 point`, `7 points`. */
export const formatCount = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;

/** Text out of a vault or from another machine, without what a terminal would take for a command. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
