import { formatSeconds, formatTime } from '../output/format.ts';

/** An instant of the API (milliseconds since 1970, 0 for never) for programs. */
export const instant = (unixMillis: bigint): string | null => (unixMillis === 0n ? null : formatTime(Number(unixMillis)));

/** How long ago, for people: `12 s`, `never`. Clocks that differ a little make nobody see the future. */
export const ago = (unixMillis: bigint, now: number): string =>
  unixMillis === 0n ? 'never' : formatSeconds(Math.max(0, (now - Number(unixMillis)) / 1000));
