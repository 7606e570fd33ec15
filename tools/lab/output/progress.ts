import { formatBytes, formatRate, formatSeconds } from './format.ts';

export interface Progress {
  readonly done: number;
  readonly total: number;
  /** Since it began. */
  readonly seconds: number;
}

const WIDTH = 20;

/** `first copy [############--------] 61 %  936 MiB of 1.5 GiB  412 MB/s  2 s left` */
export const progressBar = (label: string, { done, total, seconds }: Progress): string => {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.round(share * WIDTH);
  const rate = seconds > 0 ? done / seconds : 0;
  const left = rate > 0 ? `${formatSeconds((total - done) / rate)} left` : 'time left unknown';
  const bar = '#'.repeat(full) + '-'.repeat(WIDTH - full);
  return `${label} [${bar}] ${Math.floor(share * 100)} %  ${formatBytes(done)} of ${formatBytes(total)}  ${formatRate(rate)}  ${left}`;
};

export interface LiveFigures {
  /** Seconds until the end of this part of the run. */
  readonly secondsLeft: number;
  readonly rpoSeconds: number | undefined;
  /** Bytes a second written to the protected disks, where that is known. */
  readonly churn?: number;
  readonly sent: number;
  readonly changed: number;
  readonly points: number;
}

/** `RPO 2.4 s | churn 8.1 MB/s | sent 31 MiB for 58 MiB changed | 7 points | 41 s left` */
export const liveLine = ({ secondsLeft, rpoSeconds, churn, sent, changed, points }: LiveFigures): string =>
  [
    `RPO ${rpoSeconds === undefined ? 'none yet' : formatSeconds(rpoSeconds)}`,
    ...(churn === undefined ? [] : [`churn ${formatRate(churn)}`]),
    `sent ${formatBytes(sent)} for ${formatBytes(changed)} changed`,
    `${points} ${points === 1 ? 'point' : 'points'}`,
    `${formatSeconds(Math.max(0, secondsLeft))} left`,
  ].join(' | ');
