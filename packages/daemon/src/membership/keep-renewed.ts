import type { X509Certificate } from 'node:crypto';
import { fromSystem, type HoldfastError } from '@holdfast/errors';
import type { Health } from '../health/health.ts';
import type { Log } from '../log/log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { aboutTime, outsideItsTime } from './certificate-times.ts';
import { isRefusal } from './is-refusal.ts';
import { growingWaits, pause, sleepUntil } from './waits.ts';

export interface RenewalOptions {
  readonly log: Log;
  readonly health?: Health | undefined;
  readonly metrics?: Metrics | undefined;
  readonly stopping: AbortSignal;
  /** The certificate in use, and when it came, in milliseconds since 1970. */
  current(): { readonly certificate: X509Certificate; readonly obtained: number };
  /** Replaces it. */
  renew(): Promise<void>;
}

/** Part of a certificate's life after which it is renewed; a tenth around it is left to chance. */
const HALF = 0.5;
const JITTER = 0.1;
/** Part of its life that is left when people must know. */
const LATE = 0.25;
/** First and longest wait before the next try, as parts of a life, and the milliseconds they are at most. */
const FIRST_WAIT = { part: 0.005, most: 30_000 };
const LONGEST_WAIT = { part: 0.05, most: 600_000 };

const waitOf = ({ part, most }: typeof FIRST_WAIT, life: number): number => Math.max(50, Math.min(most, life * part));

/** Renews a certificate for as long as the program runs. Ends when `stopping` aborts and never rejects. */
export const keepCertificateRenewed = async ({ log, health, metrics, stopping, current, renew }: RenewalOptions): Promise<void> => {
  let failure: HoldfastError | undefined;
  const times = () => {
    const { certificate, obtained } = current();
    // Authorities date certificates back, so that clocks may differ a little; that part of its life was never there to be used.
    const [begin, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
    // A clock that was wrong when it came tells nothing.
    const from = obtained > begin && obtained < to ? obtained : begin;
    return { certificate, from, to, life: to - from };
  };
  /** What people must know, in words. */
  const trouble = (): string | undefined => {
    const { certificate, to, life } = times();
    const outside = outsideItsTime(certificate, Date.now(), 'this machine');
    const why = failure === undefined ? '' : `; renewing it fails: ${failure.message}`;
    if (outside !== undefined) return `${outside.message}${why}`;
    if (to - Date.now() > life * LATE) return failure !== undefined && isRefusal(failure) ? failure.message : undefined;
    return `the certificate ends in ${aboutTime(to - Date.now())}${why}`;
  };
  const removeCheck = health?.check('certificate', trouble);
  metrics?.gauge({
    name: 'certificate_end_timestamp_seconds',
    help: 'When the certificate of this program ends, in seconds since 1970',
    collect: (gauge) => gauge.set(times().to / 1000),
  });

  /** Never at once after a renewal, even when what came is as old as what was there. */
  let earliest = 0;
  while (!stopping.aborted) {
    const { from, to, life } = times();
    const waits = growingWaits(waitOf(FIRST_WAIT, life), waitOf(LONGEST_WAIT, life));
    const due = Math.min(from + life * (HALF + JITTER * (Math.random() - 0.5)), to);
    await sleepUntil(Math.max(due, earliest), stopping);
    for (let renewed = false; !renewed && !stopping.aborted; ) {
      try {
        await renew();
        renewed = true;
        failure = undefined;
        earliest = Date.now() + waitOf(FIRST_WAIT, life);
        log.info('The certificate was renewed', { until: current().certificate.validToDate.toISOString() });
      } catch (reason) {
        if (stopping.aborted) break;
        failure = fromSystem(reason, 'certificate', 'INTERNAL');
        const wait = waits.next();
        const words = trouble();
        if (words === undefined) log.info('The certificate could not be renewed yet', { error: failure, retryInSeconds: wait / 1000 });
        else
          log.warn('The certificate could not be renewed, and somebody should look', {
            problem: words,
            error: failure,
            retryInSeconds: wait / 1000,
          });
        await pause(wait, stopping);
      }
    }
  }
  removeCheck?.();
};
