import type { OutputStream } from '../surroundings.ts';
import { formatBytes, formatRate, formatSeconds } from './format.ts';

/** Tells how far something is. */
export interface Progress {
  /** `done` of the total so far; a total that is known better now. */
  update(done: number, total?: number): void;
  /** Ends the line; there is none when nothing was done. */
  end(): void;
}

export interface ProgressOptions {
  readonly label: string;
  /** Bytes, unless `unit` says otherwise. */
  readonly total: number;
  /** What is counted, when it isn't bytes: `slots`. */
  readonly unit?: string;
  /** Milliseconds. */
  readonly now?: () => number;
}

const BAR = 24;
const LABEL = 16;
/** On a terminal the line is redrawn so often; a log gets a line at most so often. Milliseconds. */
const REDRAW = 100;
const PLAIN_EVERY = 10_000;
const CLEAR_LINE = '\r\u001b[2K';

/** A bar that is redrawn on a terminal; elsewhere a plain line every ten seconds, so that a log stays readable. */
export const createProgress = (stream: OutputStream, options: ProgressOptions): Progress => {
  const { now = () => performance.now() } = options;
  let { total } = options;
  const begun = now();
  const every = stream.isTTY ? REDRAW : PLAIN_EVERY;
  let last = begun;
  let latest = 0;
  const draw = (): void => {
    const line = describe({ ...options, total }, latest, (now() - begun) / 1000);
    stream.write(stream.isTTY ? CLEAR_LINE + line.slice(0, Math.max(20, (stream.columns || 80) - 1)) : `${line}\n`);
  };
  return {
    update: (done, better = total) => {
      latest = done;
      total = better;
      if (now() - last < every) return;
      last = now();
      draw();
    },
    end: () => {
      if (latest === 0 && total > 0) return;
      draw();
      if (stream.isTTY) stream.write('\n');
    },
  };
};

/** `sda [############------------] 50 %  512 MiB of 1.0 GiB  268 MB/s  2 s left` */
const describe = ({ label, total, unit }: ProgressOptions, done: number, seconds: number): string => {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.round(share * BAR);
  const bar = `${label.slice(0, LABEL)} [${'#'.repeat(full)}${'-'.repeat(BAR - full)}] ${Math.floor(share * 100)} %`;
  const rate = seconds > 0 ? done / seconds : 0;
  const left =
    share === 1 ? `in ${formatSeconds(seconds)}` : rate > 0 ? `${formatSeconds((total - done) / rate)} left` : 'time left unknown';
  return unit === undefined
    ? `${bar}  ${formatBytes(done)} of ${formatBytes(total)}  ${formatRate(rate)}  ${left}`
    : `${bar}  ${done} of ${total} ${unit}  ${left}`;
};
